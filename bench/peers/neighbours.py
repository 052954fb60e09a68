"""Neighbourhoods of items and of users.

References: Deshpande and Karypis (2004), "Item-Based Top-N Recommendation Algorithms", TOIS 22(1);
Resnick et al. (1994), "GroupLens", CSCW, for users.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from bench.peers.history import History
from bench.peers.recommender import Recommender
from features.items.nearest import Cells, NearestConfig, nearest


def item_neighbours(
    past: History, neighbours: int = 100, half_life: float | None = None, fewer: float = 0.0, rare: bool = True
) -> Recommender:
    """Score an item by the cosine between it and what the user bought.

    O(sum over users of items^2) for the similarities; the ``neighbours`` largest of each item are kept.

    Args:
        past: the history.
        neighbours: kept of each item.
        half_life: days after which a basket counts half; None for never.
        fewer: a user counts ``items ** -fewer`` in the similarities: who has a bit of everything says little of what
            goes together.
        rare: what the user bought speaks the louder the fewer have it (inverse document frequency).
    """
    bought = past.faded(half_life).log1p()
    items = np.maximum(np.diff(bought.tocsr().indptr), 1).astype("float32")
    unit = _unit((sparse.diags(items**-fewer) @ bought).T.tocsr())
    if rare:
        seen = np.maximum(np.asarray((bought > 0).sum(axis=0)).ravel(), 1)
        bought = (bought @ sparse.diags(np.log(past.shape[0] / seen + 1e-9).clip(0).astype("float32"))).tocsr()
    return Recommender("item-kNN", bought.tocsr(), _nearest(unit, neighbours).T.tocsr())


def user_neighbours(past: History, neighbours: int = 100, half_life: float | None = None) -> Recommender:
    """Score an item by what the most similar users bought, weighted by their cosine."""
    bought = past.faded(half_life).log1p()
    return Recommender("user-kNN", _nearest(_unit(bought), neighbours), bought)


def _unit(rows: sparse.csr_matrix) -> sparse.csr_matrix:
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return (sparse.diags(1 / np.maximum(length, 1e-12)) @ rows).tocsr()


def _nearest(unit: sparse.csr_matrix, most: int) -> sparse.csr_matrix:
    """Return the cosines of each row's ``most`` nearest other rows; ties go to more columns shared."""
    rows = unit.shape[0]
    config = NearestConfig(weighting="dot", top=most, least=1, most_baskets=unit.shape[1])
    near = nearest(Cells.of(unit), Cells.of(unit.T), config, own=np.arange(rows, dtype="int32"))
    row, place = np.nonzero((near.index >= 0) & (near.score > 0))
    cells = (near.score[row, place].astype("float32"), (row, near.index[row, place]))
    return sparse.csr_matrix(cells, shape=(rows, rows))
