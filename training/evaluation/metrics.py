"""Metrics of rankings and of probabilities, and how sure one is of a difference.

A ranking is a frame ``customer_id, item, rank`` (1 is best); the truth is a frame ``customer_id, item``, distinct.
Ranking metrics come back a row per customer, so that models can be compared on the same customers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, roc_auc_score

from training.evaluation.full_ranking import list_metrics, ones
from training.evaluation.top_k import best_columns

#: cells that a bootstrap draws at once, so that its memory does not grow with the customers
_CELLS = 4_000_000
_TINY = 1e-7


@dataclass(frozen=True)
class Interval:
    """A mean or a share, and its 95 % interval: by the bootstrap, or Wilson's for a share."""

    value: float
    low: float
    high: float


def ranking_metrics(ranked: pd.DataFrame, truth: pd.DataFrame, k: int) -> pd.DataFrame:
    """Judge the first ``k`` of each customer's ranking.

    Args:
        ranked: ``customer_id``, ``item``, ``rank``; customers without truth are left out.
        truth: ``customer_id``, ``item``; one row per item that the customer took.
        k: ranks that count.

    Returns:
        A row per customer of ``truth`` (index ``customer_id``, sorted) with the figures of
        :func:`training.evaluation.full_ranking.list_metrics`. A customer without a ranking counts as a miss.
    """
    customers, row = np.unique(truth["customer_id"].to_numpy(dtype=str), return_inverse=True)
    first = ranked[(ranked["rank"] <= k) & ranked["customer_id"].isin(customers)]
    items, column = np.unique(np.concatenate([truth["item"], first["item"]]).astype(str), return_inverse=True)
    taken = ones(row, column[: len(truth)], (len(customers), max(len(items), 1)))
    lists = np.full((len(customers), k), -1, dtype="int64")
    place = np.searchsorted(customers, first["customer_id"].to_numpy(dtype=str))
    lists[place, first["rank"].to_numpy() - 1] = column[len(truth) :]
    return list_metrics(lists, taken).set_index(pd.Index(customers, name="customer_id"))


def slice_figures(slices: Mapping[str, pd.DataFrame], k: int) -> dict[str, float]:
    """Return mean hit rate and NDCG at ``k`` over all, and of repeats and discoveries; NaN where a slice is empty.

    Args:
        slices: results of :func:`ranking_metrics`: ``all``, ``repeats``, ``discoveries``, and any more.
        k: ranks that count, for the names.
    """
    return {
        f"{name}_at_{k}{suffix}": float(slices[part][name].mean())
        for part, suffix in (("all", ""), ("repeats", "_repeat"), ("discoveries", "_discovery"))
        for name in ("hit_rate", "ndcg")
    }


def split_truth(truth: pd.DataFrame, seen: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split the truth into repeats and discoveries.

    Args:
        truth: ``customer_id``, ``item``.
        seen: ``customer_id``, ``item`` that the customer had taken before.

    Returns:
        The truth that was seen before, and the truth that is new to the customer.
    """
    marked = truth.merge(seen[["customer_id", "item"]].drop_duplicates(), how="left", indicator="_seen")
    mask = (marked["_seen"] == "both").to_numpy()
    return truth[mask].reset_index(drop=True), truth[~mask].reset_index(drop=True)


def ranks(frame: pd.DataFrame, score: np.ndarray, ties: str = "item") -> pd.DataFrame:
    """Rank each customer's items by falling ``score``; ties go by rising ``ties``.

    Returns:
        ``customer_id``, ``item``, ``rank``.
    """
    ordered = frame[["customer_id", "item"]].assign(_score=-np.asarray(score), _tie=frame[ties])
    ordered = ordered.sort_values(["customer_id", "_score", "_tie"], kind="stable")
    rank = ordered.groupby("customer_id").cumcount() + 1
    return ordered[["customer_id", "item"]].assign(rank=rank).reset_index(drop=True)


def top_ranks(customers: np.ndarray, items: np.ndarray, scores: np.ndarray, k: int) -> pd.DataFrame:
    """Rank the ``k`` best items of each customer from a matrix of scores (n, l); ties go to the first column.

    Returns:
        ``customer_id``, ``item``, ``rank``.
    """
    lists = best_columns(scores, min(k, len(items)))
    row, place = np.nonzero(lists >= 0)
    listed = np.asarray(items)[lists[row, place]]
    return pd.DataFrame({"customer_id": np.asarray(customers)[row], "item": listed, "rank": place + 1})


def log_likelihoods(truth: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Return each row's log-likelihood (n,): higher is better, 0 is perfect."""
    p = np.clip(probability, _TINY, 1 - _TINY)
    return np.where(np.asarray(truth, dtype=bool), np.log(p), np.log1p(-p))


def binary_metrics(truth: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    """Return ``roc_auc``, ``average_precision``, ``log_loss``, ``ece`` and ``base_rate``.

    The first two are NaN where the truth holds one class only.
    """
    truth = np.asarray(truth, dtype=bool)
    both = 0 < truth.sum() < len(truth)
    return {
        "roc_auc": float(roc_auc_score(truth, probability)) if both else float("nan"),
        "average_precision": float(average_precision_score(truth, probability)) if both else float("nan"),
        "log_loss": float(-log_likelihoods(truth, probability).mean()),
        "ece": calibration_error(truth, probability),
        "base_rate": float(truth.mean()),
    }


def reliability(truth: np.ndarray, probability: np.ndarray, bins: int = 10) -> pd.DataFrame:
    """Return the reliability curve: ``rows``, mean ``predicted`` and ``observed`` share of bins of equally many rows.

    Rows of the curve go from the least to the most probable; fewer than ``bins`` where there are fewer rows.
    """
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return pd.DataFrame(
        {
            "rows": [len(part) for part in parts],
            "predicted": [float(np.mean(probability[part])) for part in parts],
            "observed": [float(np.mean(truth[part])) for part in parts],
        }
    )


def calibration_error(truth: np.ndarray, probability: np.ndarray, bins: int = 10) -> float:
    """Return the expected calibration error over ``bins`` of equally many rows.

    Reference: Naeini, Cooper and Hauskrecht (2015), "Obtaining Well Calibrated Probabilities Using Bayesian Binning".
    """
    curve = reliability(truth, probability, bins)
    return float(((curve["observed"] - curve["predicted"]).abs() * curve["rows"]).sum() / len(truth))


def paired_bootstrap(better: pd.Series, worse: pd.Series, rounds: int, seed: int) -> Interval:
    """Return the mean of ``better - worse`` with its 95 % interval over resampled customers.

    Args:
        better: one value per customer (index).
        worse: the same customers' values of the other model.
        rounds: resamples.
        seed: of the resampling.

    Raises:
        ValueError: the customers differ, or there are none.
    """
    if len(better) == 0 or not better.index.equals(worse.index):
        raise ValueError(f"a paired comparison needs the same customers; got {len(better)} and {len(worse)}")
    return bootstrap(better - worse, rounds, seed)


def bootstrap(values: pd.Series, rounds: int, seed: int) -> Interval:
    """Return the mean of ``values`` with its 95 % interval over resampled customers."""
    sample = values.to_numpy(dtype="float64")
    size, generator = len(sample), np.random.default_rng(seed)
    step = max(1, _CELLS // size)
    means = [
        sample[generator.integers(0, size, (min(step, rounds - start), size))].mean(axis=1)
        for start in range(0, rounds, step)
    ]
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return Interval(float(sample.mean()), float(low), float(high))


def bootstrap_ratio(above: pd.Series, below: pd.Series, rounds: int, seed: int) -> Interval:
    """Return the ratio of two sums over customers with its 95 % interval over resampled customers.

    Args:
        above: what each customer adds to the sum above.
        below: what the same customers add to the sum below, which is positive.
        rounds: resamples.
        seed: of the resampling.

    Returns:
        Without an interval (NaN) where some resample has nothing below, or nobody has anything above: nothing drawn
        again is nothing.
    """
    a, b = above.to_numpy(dtype="float64"), below.to_numpy(dtype="float64")
    generator = np.random.default_rng(seed)
    drawn = (generator.integers(0, len(a), len(a)) for _ in range(rounds))
    sums = np.array([(a[rows].sum(), b[rows].sum()) for rows in drawn])
    whole = a.any() and (sums[:, 1] > 0).all()
    low, high = np.quantile(sums[:, 0] / sums[:, 1], [0.025, 0.975]) if whole else (np.nan, np.nan)
    return Interval(float(a.sum() / b.sum()), float(low), float(high))


def wilson(yes: int, size: int) -> Interval:
    """Return a share with its 95 % interval; NaN where ``size`` is 0.

    Reference: Wilson (1927), "Probable inference, the law of succession, and statistical inference".

    >>> wilson(0, 10).high < 0.3 < wilson(9, 10).low
    True
    """
    if not size:
        return Interval(float("nan"), float("nan"), float("nan"))
    low, high = binomtest(yes, size).proportion_ci(0.95, "wilson")
    return Interval(yes / size, float(low), float(high))
