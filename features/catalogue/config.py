"""Settings of the catalogue's clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: probability with which a pair at the target similarity has to become a candidate
LEAST_RECALL = 0.95


@dataclass(frozen=True)
class CatalogueConfig:
    """Everything that changes the clusters; see docs/catalogue.md for what the defaults were chosen on.

    Attributes:
        threshold: least weighted Jaccard similarity of a member to its centre.
        margin: a title belongs to a centre only if the next best is so much less similar.
        identifying: least weight of a title, in multiples of log(titles), that can name a product: "washing machine"
            cannot, however often it is written.
        shingles: what a title is a set of when candidates are looked for: stemmed ``words``, numbers and codes,
            weighted by what they tell; ``pairs`` of them in any order; or character ``grams`` within words.
        gram: letters of a character shingle.
        sketch: ``minhash`` (best for short titles), ``one_permutation`` with densification (for long texts: one hash
            an element instead of one for each place of the signature), or ``simhash`` (cosine instead of Jaccard).
        length: places of the signature, 50 to 500 (SimHash: bits), when ``target`` is given.
        target: similarity that has to be found: bands and rows follow from it; None: ``bands`` and ``rows``.
        bands: bands of the signature, where ``rows`` is given.
        rows: rows of a band; None: 24 bands of 2 under 50,000 titles, then of 3, from 2,000,000 on 48 bands of 4,
            which find alike pairs as surely.
        copies: most copies of a token in the weighted signature; codes and quantities count double.
        tasks: tasks that share the bands; None: one a core, eight at most.
        block: titles in a block.
        seed: of the hash functions.
    """

    threshold: float = 0.6
    margin: float = 0.03
    identifying: float = 1.2
    shingles: Literal["words", "pairs", "grams"] = "words"
    gram: int = 3
    sketch: Literal["minhash", "one_permutation", "simhash"] = "minhash"
    length: int = 128
    target: float | None = None
    bands: int = 24
    rows: int | None = None
    copies: int = 6
    tasks: int | None = None
    block: int = 200_000
    seed: int = 20260101

    def shape(self, titles: int) -> tuple[int, int]:
        """Return bands and rows for so many titles: the more there are, the more pairs are alike by chance."""
        if self.target is not None:
            return choose_shape(self.length, self.target)
        if self.rows is not None:
            return self.bands, self.rows
        return (24, 2) if titles < 50_000 else (24, 3) if titles < 2_000_000 else (48, 4)


def s_curve(similarity: float, bands: int, rows: int) -> float:
    """Return the probability that a pair of ``similarity`` becomes a candidate.

    ``similarity`` is the chance that two signatures agree in one place: the Jaccard similarity, or for SimHash one less
    the angle over pi.

    >>> round(s_curve(0.8, 20, 5), 4)  # Leskovec, Rajaraman and Ullman, figure 3.7
    0.9996
    """
    return float(1.0 - (1.0 - similarity**rows) ** bands)


def choose_shape(length: int, target: float) -> tuple[int, int]:
    """Return bands and rows for a signature: as many rows as still find a pair at ``target`` with :data:`LEAST_RECALL`.

    >>> choose_shape(128, 0.6)
    (32, 4)
    """
    rows = 1
    while rows < length and s_curve(target, length // (rows + 1), rows + 1) >= LEAST_RECALL:
        rows += 1
    return length // rows, rows


def describe(bands: int, rows: int) -> str:
    """Return the S-curve in a line."""
    points = ", ".join(f"{level / 10:.1f}: {s_curve(level / 10, bands, rows):.3f}" for level in range(1, 10))
    return f"{bands} bands of {rows}; a pair becomes a candidate with probability (similarity: probability) {points}"
