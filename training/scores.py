"""What a model of the purchase series says of a batch of customers; n = customers of the batch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Scores:
    """Values by the columns that the model declares.

    Attributes:
        numbers: column -> values (n,), NaN where a customer is not scored.
        drivers: column -> names of the inputs that drive the score most (n, k), None where there are fewer; scoring
            puts them into words. A row without a score has only None, and ``scored`` is False there.
        scored: (n,) whether a customer has drivers; None: all of them.
    """

    numbers: dict[str, np.ndarray] = field(default_factory=dict)
    drivers: dict[str, np.ndarray] = field(default_factory=dict)
    scored: np.ndarray | None = None


def spread(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return ``values`` of the ``rows`` (boolean, (n,)) among all rows, NaN elsewhere."""
    in_place = np.full(len(rows), np.nan)
    in_place[rows] = values
    return in_place
