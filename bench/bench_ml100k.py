"""MovieLens 100k on the split and protocol of Microsoft Recommenders: 75 % of each user's ratings at random, seed 42.

Every rating counts as a hit, all films but the training ones are ranked, NDCG@10. The penalty of EASE is chosen within
the training ratings. Published there: BiVAE 0.4751 (the best), ALS 0.44 with implicit.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd

from training.recommenders.als import FactorsConfig, als
from training.recommenders.ease import ease
from training.recommenders.frequency import popularity
from training.recommenders.history import History, history
from training.recommenders.neighbours import item_neighbours, user_neighbours
from training.recommenders.recommender import Recommender
from training.splits import ones, stratified
from training.top_lists import list_metrics, top_lists

DATA = Path(os.environ.get("NBO_DATA", Path(__file__).parents[2] / "shared" / "data"))
FILE = DATA / "ratings" / "ml-100k" / "ml-100k.inter.gz"
PUBLISHED, PENALTIES = 0.4751, (100, 200, 300, 500, 800)


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    if not FILE.is_file():
        print(f"skipped: no data at {FILE}; set NBO_DATA")
        return
    ratings = pd.read_csv(FILE, sep="\t", header=0, names=["user", "item", "rating", "time"])
    user, item = (np.unique(ratings[name], return_inverse=True)[1] for name in ("user", "item"))
    learn = stratified(user, 0.75, 42)
    chosen = _penalty(user[learn], item[learn])
    past, truth = _cut(user, item, learn)
    models = {
        "popularity": popularity(past, None),
        "item-kNN": item_neighbours(past, 100),
        "user-kNN": user_neighbours(past, 100),
        "ALS": als(past, FactorsConfig(iterations=10, alpha=10, regularization=20)),
        f"EASE, penalty {chosen}": ease(past, chosen, binary=True),
    }
    print(f"{len(ratings):,} ratings, {learn.sum():,} to learn from; published best {PUBLISHED}")
    for name, model in models.items():
        found = _judge(model, past, truth)
        told = "  ".join(f"{metric} {found[metric]:.4f}" for metric in ("ndcg", "map", "precision", "recall"))
        print(f"  {name:<20} @10: {told}  NDCG to published {found['ndcg'] / PUBLISHED:.3f}")


def _cut(user: np.ndarray, item: np.ndarray, learn: np.ndarray) -> tuple[History, object]:
    shape, day = (user.max() + 1, item.max() + 1), np.zeros(len(user), dtype=int)
    past = history(user[learn], item[learn], day[learn], np.arange(len(user))[learn], 0, shape)
    return past, ones(user[~learn], item[~learn], shape)


def _judge(model: Recommender, past: History, truth: object) -> pd.Series:
    users = np.flatnonzero(np.diff(truth.indptr) > 0)  # type: ignore[attr-defined]
    return list_metrics(top_lists(model, users, 10, past.counts()), truth[users]).mean()  # type: ignore[index]


def _penalty(user: np.ndarray, item: np.ndarray) -> int:
    """Choose on three random quarters of the training ratings."""
    found = dict.fromkeys(PENALTIES, 0.0)
    for seed in range(3):
        past, truth = _cut(user, item, stratified(user, 0.75, seed))
        for penalty in PENALTIES:
            found[penalty] += _judge(ease(past, penalty, binary=True), past, truth)["ndcg"] / 3
    print("  validation:", {penalty: round(value, 4) for penalty, value in found.items()})
    return max(found, key=lambda penalty: found[penalty])


if __name__ == "__main__":
    main()
