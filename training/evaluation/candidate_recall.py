"""What each source of candidates brings: the share of what was bought that is among its candidates.

No ranker can list what no source brings, so the recall of all sources together bounds the recall of any ranking.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from training.evaluation.metrics import split_truth

#: name of all sources together
UNION = "all sources"


def source_recall(
    pairs: pd.DataFrame, truth: pd.DataFrame, seen: pd.DataFrame, ranks: Mapping[str, str]
) -> pd.DataFrame:
    """Measure each source, and all together, over all that was bought, and for repeats and discoveries apart.

    Args:
        pairs: candidates: ``customer_id``, ``item``, and for each source its column of ``ranks``, null where the source
            did not bring the candidate; a pair once.
        truth: ``customer_id``, ``item`` bought in the window by the customers that have candidates, a pair once.
        seen: ``customer_id``, ``item`` bought before.
        ranks: source -> its column. A source without any candidate is left out: it had nothing to go by.

    Returns:
        ``source``, ``slice``, ``recall`` (share of the purchases, NaN where there are none), ``candidates`` (mean per
        customer, of the whole list) and ``customers`` (who bought something of the slice).
    """
    brought = {source: pairs[column].notna().to_numpy() for source, column in ranks.items()}
    brought = {source: cells for source, cells in brought.items() if cells.any()}
    brought[UNION] = np.logical_or.reduce([*brought.values(), np.zeros(len(pairs), dtype=bool)])
    keys = ["customer_id", "item"]
    cells, asked = pairs[keys].assign(**brought), max(pairs["customer_id"].nunique(), 1)
    rows = []
    for part, wanted in zip(("all", "repeats", "discoveries"), (truth, *split_truth(truth, seen)), strict=True):
        held = wanted[keys].merge(cells, on=keys)
        for source, mask in brought.items():
            recall = held[source].sum() / len(wanted) if len(wanted) else np.nan
            rows.append((source, part, float(recall), mask.sum() / asked, wanted["customer_id"].nunique()))
    return pd.DataFrame(rows, columns=["source", "slice", "recall", "candidates", "customers"])


def recall_metrics(recall: pd.DataFrame) -> dict[str, float]:
    """Return :func:`source_recall` as figures: ``recall_<source>``, of a slice ``recall_<source>_<slice>``."""
    names = ("recall_" + recall["source"] + ("_" + recall["slice"]).replace("_all", "")).str.replace(" ", "_")
    return dict(zip(names.tolist(), recall["recall"].tolist(), strict=True))
