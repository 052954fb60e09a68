"""One table that compares all models on the same customers: over all and slice by slice, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from bench.measures.splits import repeats_and_discoveries
from bench.measures.top_lists import top_lists
from bench.peers.recommender import Recommender
from training.evaluation.full_ranking import diversity, list_metrics, miscalibration, variety
from training.evaluation.metrics import Interval, paired_bootstrap

SLICES = ("all", "repeats", "discoveries")
#: users and items with little history: customers with few items before, items with few buyers
FEW = ("customers with few items", "items with few buyers")


@dataclass(frozen=True)
class RankingTask:
    """What models are judged on.

    Attributes:
        truth: (u, i) what was taken in the window, ones.
        seen: (u, i) what had been taken before, ones.
        k: length of a list.
        few: most items that a customer with few items had before, and most buyers of an item with few buyers.
    """

    truth: sparse.csr_matrix
    seen: sparse.csr_matrix
    k: int
    few: int = 5

    def of(self, part: str) -> tuple[sparse.csr_matrix, np.ndarray]:
        """Return the truth of a slice and its users: those who take something of it in the window.

        Users without any purchase before are in the slice of customers with few items alone.
        """
        truth, had = self.truth, np.diff(self.seen.indptr)
        if part in SLICES:
            truth = dict(zip(SLICES, (truth, *repeats_and_discoveries(truth, self.seen)), strict=True))[part]
        if part == FEW[1]:
            truth = (truth @ sparse.diags(self.rare_items().astype("float32"))).tocsr()
            truth.eliminate_zeros()
        kept = had <= self.few if part == FEW[0] else had > 0
        return truth, np.flatnonzero((np.diff(truth.indptr) > 0) & kept)

    def rare_items(self) -> np.ndarray:
        """Return (i,): the item has at most :attr:`few` buyers."""
        return np.asarray(self.seen.sum(axis=0)).ravel() <= self.few

    def lists(self, model: Recommender, part: str, users: np.ndarray) -> np.ndarray:
        """Return the model's lists (u, k) for a slice: of repeats, discoveries or rare items only these are listed."""
        limits: dict[str, dict[str, sparse.csr_matrix | np.ndarray]] = {
            "repeats": {"only": self.seen},
            "discoveries": {"excluded": self.seen},
            FEW[1]: {"allowed": self.rare_items()},
        }
        return top_lists(model, users, self.k, **limits.get(part, {}))  # type: ignore[arg-type]


def judge(model: Recommender, task: RankingTask, part: str) -> pd.DataFrame:
    """Return metrics per user (index) of a slice; in a slice only its items are listed."""
    truth, users = task.of(part)
    return list_metrics(task.lists(model, part, users), truth[users]).set_index(pd.Index(users, name="user"))


def compare(
    models: Mapping[str, Recommender], task: RankingTask, parts: tuple[str, ...] = SLICES
) -> dict[str, pd.DataFrame]:
    """Return for every ``model/slice`` the metrics per user."""
    return {f"{name}/{part}": judge(model, task, part) for name, model in models.items() for part in parts}


def table(judged: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the means: a row per model, columns ``slice``, ``metric``."""
    parts: dict[str, dict[str, pd.Series]] = {}
    for key, frame in judged.items():
        model, part = key.rsplit("/", 1)
        parts.setdefault(part, {})[model] = frame.mean()
    return pd.concat({part: pd.DataFrame(rows).T for part, rows in parts.items()}, axis=1)


def gain(judged: Mapping[str, pd.DataFrame], model: str, other: str, part: str, metric: str, seed: int = 1) -> Interval:
    """Return the mean gain of ``model`` over ``other`` with its paired 95 % interval over users."""
    return paired_bootstrap(judged[f"{model}/{part}"][metric], judged[f"{other}/{part}"][metric], 1000, seed)


def together(windows: Sequence[Mapping[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """Return a row per user whose mean is that of all windows: the windows of one user are not independent.

    Args:
        windows: of each window the metrics per user, by ``model/slice``, the same keys in all.
    """
    every = {key: pd.concat([judged[key] for judged in windows]) for key in windows[0]}
    return {key: rows.groupby(level=0).sum() * (rows.index.nunique() / len(rows)) for key, rows in every.items()}


def shown(model: Recommender, task: RankingTask, group: np.ndarray | None = None) -> dict[str, float]:
    """Return coverage, novelty and diversity of the lists of all customers who take something in the window.

    With ``group`` (i,), the number of each item's category, ``miscalibration`` as well.
    """
    _, users = task.of("all")
    lists = task.lists(model, "all", users)
    share = np.asarray(task.seen.mean(axis=0)).ravel()
    measures = variety(lists, share, task.seen.shape[0]) | {"diversity": diversity(lists, task.seen)}
    return measures if group is None else measures | {"miscalibration": miscalibration(lists, task.seen[users], group)}
