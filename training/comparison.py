"""One table that compares all models on the same customers: over all, and for repeats and discoveries apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from training.evaluation import Interval, paired_bootstrap
from training.recommenders.recommender import Recommender
from training.splits import repeats_and_discoveries
from training.top_lists import list_metrics, top_lists, variety

SLICES = ("all", "repeats", "discoveries")


@dataclass(frozen=True)
class Task:
    """What models are judged on.

    Attributes:
        truth: (u, i) what was taken in the window, ones.
        seen: (u, i) what had been taken before, ones.
        k: length of a list.
    """

    truth: sparse.csr_matrix
    seen: sparse.csr_matrix
    k: int

    def of(self, part: str) -> tuple[sparse.csr_matrix, np.ndarray]:
        """Return the truth of a slice and its users: those known before who take something of it in the window."""
        truth = dict(zip(SLICES, (self.truth, *repeats_and_discoveries(self.truth, self.seen)), strict=True))[part]
        users = np.flatnonzero((np.diff(truth.indptr) > 0) & (np.diff(self.seen.indptr) > 0))
        return truth, users


def judge(model: Recommender, task: Task, part: str) -> pd.DataFrame:
    """Return metrics per user (index) of a slice; in a slice only its items are listed."""
    truth, users = task.of(part)
    lists = _lists(model, task, part, users)
    return list_metrics(lists, truth[users]).set_index(pd.Index(users, name="user"))


def compare(models: Mapping[str, Recommender], task: Task, parts: tuple[str, ...] = SLICES) -> dict[str, pd.DataFrame]:
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


def shown(model: Recommender, task: Task) -> dict[str, float]:
    """Return coverage and novelty of the lists of all customers who take something in the window."""
    _, users = task.of("all")
    share = np.asarray(task.seen.mean(axis=0)).ravel()
    return variety(_lists(model, task, "all", users), share, task.seen.shape[0])


def _lists(model: Recommender, task: Task, part: str, users: np.ndarray) -> np.ndarray:
    if part == "repeats":
        return top_lists(model, users, task.k, only=task.seen)
    return top_lists(model, users, task.k, excluded=task.seen if part == "discoveries" else None)
