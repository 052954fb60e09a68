"""What lists of the night show besides how often they hit: figures of frames of ids, as the gate has them.

For the figures themselves see :mod:`training.evaluation.full_ranking`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from training.evaluation.full_ranking import diversity, miscalibration, ones, variety


def shown_figures(ranked: pd.DataFrame, seen: pd.DataFrame, items: pd.DataFrame, k: int) -> dict[str, float]:
    """Say how much of the assortment lists show, how rare it is, how unlike each other, and how like the history.

    Args:
        ranked: ``customer_id``, ``item``, ``rank`` (from 1) of the customers whose lists count.
        seen: ``customer_id``, ``item`` bought before, a pair once: of these customers and possibly more.
        items: ``item``, ``department`` of all items that may be listed; ``seen`` of other items does not count.
        k: length of a list.

    Returns:
        ``coverage`` as share of ``items``, ``novelty`` in bits, ``diversity``, ``miscalibration`` over departments.
    """
    names = pd.Index(items["item"])
    customers = pd.Index(np.union1d(ranked["customer_id"].unique(), seen["customer_id"].unique()))
    first = ranked[ranked["rank"] <= k]
    who, row = np.unique(customers.get_indexer(first["customer_id"]), return_inverse=True)
    lists = np.full((len(who), k), -1, dtype="int64")
    lists[row, first["rank"].to_numpy() - 1] = names.get_indexer(first["item"])
    owner, item = customers.get_indexer(seen["customer_id"]), names.get_indexer(seen["item"])
    had = ones(owner[item >= 0], item[item >= 0], (len(customers), len(names)))
    group, _ = pd.factorize(items["department"], use_na_sentinel=False)
    share = np.asarray(had.mean(axis=0)).ravel() if len(customers) else np.zeros(len(names))
    return {
        **variety(lists, share, len(customers)),
        "diversity": diversity(lists, had),
        "miscalibration": miscalibration(lists, had[who], group),
    }
