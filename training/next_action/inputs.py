"""Series of visits as numbers, what came after them, and how they looked on an earlier day.

n = customers, t = visits, a = actions without "no purchase".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from conf.errors import DataError
from training.networks.loop import Batch
from training.next_action.spec import INPUTS

NOTHING, OTHER = "no purchase", "other"
#: borders of the age of an event in days: an embedding each
_AGES = np.array([0, 1, 3, 7, 14, 21, 28, 42, 63, 84, 126, 182, 273])
AGES = len(_AGES) + 1
#: borders of the classes of days to the next visit, and the day that stands for each
DAYS = np.array([1, 2, 3, 4, 5, 6, 7, 10, 14, 21])
MIDDLE = np.array([1, 2, 3, 4, 5, 6, 7, 9, 12.5, 18, 25])
#: visits that the customer's own shares are blended with those of all customers by
_OWN = 5.0


@dataclass(frozen=True)
class Visits:
    """Series of visits as numbers, the newest last.

    Attributes:
        action: (n, t) int32 from 1, 0 for none.
        gap: (n, t) int32 class of the days from a visit to the one after it, of the last to ``as_of``; 0 for none.
        state: (n,) int32 of the chain: last action and age class.
        share: (n, a + 1) float32 logarithm of the customer's own shares; "no purchase" keeps the share of all.
    """

    action: np.ndarray
    gap: np.ndarray
    state: np.ndarray
    share: np.ndarray

    def batch(self, rows: np.ndarray | slice) -> Batch:
        """Return some rows by name."""
        return {"action": self.action[rows], "gap": self.gap[rows], "state": self.state[rows, None],
                "share": self.share[rows]}  # fmt: skip


def dictionary(frame: pd.DataFrame, least: float) -> list[str]:
    """Return the actions that make up at least ``least`` of the visits, by the alphabet, then "other"."""
    counts = frame["actions"].explode().value_counts(normalize=True)
    return [*sorted(counts.index[counts >= least]), OTHER]


def visits_of(frame: pd.DataFrame, actions: Sequence[str], base: np.ndarray, most: int) -> Visits:
    """Turn series into numbers.

    Args:
        frame: a row per customer with ``actions`` and ``days_ago``, the newest first; None without a visit.
        actions: actions in the order of their index; all that are not listed are the last of them.
        base: (a + 1,) shares of everybody that the own ones are shrunk to.
        most: visits t.

    Raises:
        DataError: a column is missing.
    """
    missing = [name for name in INPUTS if name not in frame.columns]
    if missing:
        raise DataError(f"the next action: missing input column(s) {missing}; have {sorted(frame.columns)}")
    lists: pa.ListArray = pa.array(frame["actions"], pa.list_(pa.string()))  # type: ignore[assignment]
    ages: pa.ListArray = pa.array(frame["days_ago"], pa.list_(pa.int32()))  # type: ignore[assignment]
    row = pc.list_parent_indices(lists).to_numpy()
    place = np.arange(len(row)) - np.searchsorted(row, row)
    kept = place < most
    row, place = row[kept], place[kept]
    index = pd.Index(actions).get_indexer(pd.Index(lists.flatten().to_pandas(), dtype=object))
    index = np.where(index < 0, len(actions) - 1, index)[kept]
    age = ages.flatten().to_numpy()[kept]
    action, gap = (np.zeros((len(frame), most), dtype="int32") for _ in range(2))
    action[row, most - 1 - place] = index + 1
    after = np.where(place > 0, np.concatenate([[0], age[:-1]]) if len(age) else age, 0)
    gap[row, most - 1 - place] = age_class(age - after)
    count = np.zeros((len(frame), len(actions)))
    np.add.at(count, (row, index), 1.0)
    own = (count + _OWN * base[:-1] / base[:-1].sum()) / (count.sum(axis=1, keepdims=True) + _OWN)
    own = np.hstack([own * (1 - base[-1]), np.full((len(frame), 1), base[-1])])
    state = action[:, -1] * (AGES + 1) + gap[:, -1]
    return Visits(action, gap, state.astype("int32"), np.log(np.maximum(own, 1e-6)).astype("float32"))


def windows(series: pd.DataFrame, back: int, horizon: int) -> pd.DataFrame:
    """Cut whole series as they were ``back`` days before the day they end on.

    Args:
        series: ``customer_id``, ``actions``, ``days_ago`` of all visits, the newest first.
        back: days.
        horizon: days after it in which the next visit counts.

    Returns:
        ``customer_id``, ``actions``, ``days_ago`` of then, ``next`` (an action or "no purchase") and ``days`` to it
        (0 without one); customers without a visit by then are left out.
    """
    lists: pa.ListArray = pa.array(series["actions"], pa.list_(pa.string()))  # type: ignore[assignment]
    days_ago: pa.ListArray = pa.array(series["days_ago"], pa.list_(pa.int32()))  # type: ignore[assignment]
    starts, age = lists.offsets.to_numpy()[:-1], days_ago.flatten().to_numpy()
    row, kept = pc.list_parent_indices(lists).to_numpy(), age >= back
    left = np.bincount(row[kept], minlength=len(series))
    offsets = pa.array(np.concatenate([[0], np.cumsum(left)]), pa.int32())
    cut = np.bincount(row[~kept], minlength=len(series))
    place = starts + cut - 1  # of the visit that came next
    days = np.where(cut > 0, back - age[np.maximum(place, 0)] if len(age) else 0, horizon + 1)
    comes = days <= horizon
    after = np.full(len(series), NOTHING, dtype=object)
    after[comes] = lists.flatten().take(pa.array(place[comes], pa.int64())).to_pandas()
    table = pa.table(
        {
            "customer_id": pa.array(series["customer_id"]),
            "actions": pa.ListArray.from_arrays(offsets, lists.flatten().filter(pa.array(kept))),
            "days_ago": pa.ListArray.from_arrays(offsets, pa.array(age[kept] - back, pa.int32())),
            "next": pa.array(after, pa.string()),
            "days": pa.array(np.where(comes, days, 0)),
        }
    )
    return table.filter(pa.array(left > 0)).to_pandas()


def labels(rows: pd.DataFrame, actions: Sequence[str]) -> np.ndarray:
    """Return the index of each row's next action (n,); "no purchase" is the last."""
    index = pd.Index([*actions, NOTHING]).get_indexer(pd.Index(rows["next"], dtype=object))
    places: np.ndarray = np.where(index < 0, len(actions) - 1, index)
    return places


def day_class(days: np.ndarray) -> np.ndarray:
    """Return the class of days to the next visit; the first also for none."""
    return np.searchsorted(DAYS, np.maximum(days, 1), side="left")


def age_class(age: np.ndarray) -> np.ndarray:
    """Return the class of an age in days, from 1."""
    return np.searchsorted(_AGES, age, side="right").astype("int32")
