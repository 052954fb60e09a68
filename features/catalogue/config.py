"""Settings of the catalogue's clusters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CatalogueConfig:
    """Everything that changes the clusters; see docs/catalogue.md for what the defaults were chosen on.

    Attributes:
        threshold: least weighted Jaccard similarity of a member to its centre.
        margin: a title belongs to a centre only if the next best is so much less similar.
        identifying: least weight of a title, in multiples of log(titles), that can name a product: "washing machine"
            cannot, however often it is written.
        bands: bands of the signature.
        rows: rows of a band; None: 2 under 50,000 titles, then 3, from 1,000,000 on 4.
        copies: most copies of a token in the weighted signature; codes and quantities count double.
        tasks: tasks that share the bands; None: one a core, eight at most.
        block: titles in a block.
        seed: of the hash functions.
    """

    threshold: float = 0.6
    margin: float = 0.05
    identifying: float = 1.2
    bands: int = 24
    rows: int | None = None
    copies: int = 6
    tasks: int | None = None
    block: int = 200_000
    seed: int = 20260101

    def rows_for(self, titles: int) -> int:
        """Return the rows of a band for a catalogue of ``titles``: more titles, more pairs that are alike by chance."""
        if self.rows is not None:
            return self.rows
        return 2 if titles < 50_000 else 3 if titles < 1_000_000 else 4
