"""Next basket on Dunnhumby-Carbo and TMS with their fixed splits: Recall@10 of the last basket of the test sequences.

The ranker learns from the last baskets of the training sequences; settings were chosen on the validation sequences.
Published on the same splits (Li et al. 2023, "A Next Basket Recommendation Reality Check", TOIS): DNNTSP.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from training.comparison import SLICES, Task, compare, gain, table
from training.recommenders.ease import ease
from training.recommenders.frequency import decayed_frequency, popularity, repeat_frequency
from training.recommenders.history import History
from training.recommenders.pair_features import Pairs, pair_features
from training.recommenders.recommender import Recommender
from training.recommenders.tifu import TifuConfig, tifu
from training.recommenders.two_stage import RANKER, candidate_pairs, candidate_recall, fit_ranker, labels, ranked
from training.splits import next_basket

DATA = Path(os.environ.get("NBO_DATA", Path(__file__).parents[2] / "shared" / "data")) / "baskets"
PUBLISHED = {"dunnhumby_carbo": 0.4615, "tms": 0.4693}
GROUP = {"dunnhumby_carbo": 0.4576, "tms": 0.4727}
BEST, SIMPLE = "two stages", "group + personal frequency"
Sequences = list[list[list[int]]]


def models(past: History) -> dict[str, Recommender]:
    """Fit the bank; ages are counted in baskets."""
    return {
        "popularity": popularity(past, None),
        "personal frequency": repeat_frequency(past),
        SIMPLE: decayed_frequency(past, 1e9, 0.05),
        "faded, group + personal": decayed_frequency(past, 5, 0.05),
        "TIFU-kNN": tifu(past, TifuConfig(alpha=0.3)),
        "EASE": ease(past, 100, binary=True),
    }


class Cut:
    """Sequences with their last baskets cut off; ``whole`` ones are only learnt from."""

    def __init__(self, whole: Sequences, cut: Sequences, items: int) -> None:
        """Fit the bank and describe the candidates of the cut sequences."""
        self.past, self.truth = next_basket([[*baskets, []] for baskets in whole] + cut, items)
        self.seen = (self.past.counts() > 0).astype("float32").tocsr()
        self.models = models(self.past)
        rows = np.arange(len(whole), len(whole) + len(cut))
        sources = [(self.models[name], 30) for name in ("faded, group + personal", "TIFU-kNN", "EASE")]
        row, column = candidate_pairs(sources, rows)
        told = [replace(self.models[name], name=name) for name in ("popularity", "TIFU-kNN", "EASE")]
        self.pairs: Pairs = pair_features(self.past, row, column, told)
        print(f"  {len(cut):,} sequences, candidate recall {candidate_recall(row, column, self.truth):.3f}", flush=True)


def run(name: str, part: str) -> None:
    """Print the table of one data set."""
    with gzip.open(DATA / f"{name}.json.gz", "rt") as stream:
        parts = {key: list(value.values()) for key, value in json.load(stream).items()}
    items = 1 + max(item for each in parts.values() for baskets in each for basket in baskets for item in basket)
    print(f"\n{name}, {part}")
    learnt, held = Cut([], parts["train"], items), Cut(parts["train"], parts[part], items)
    config = replace(RANKER, threads=1, rounds=150, learning_rate=0.05, leaves=15, min_rows=100)
    booster = fit_ranker([(learnt.pairs, labels(learnt.pairs, learnt.truth))], config)
    task = Task(held.truth, held.seen, 10)
    judged = compare({**held.models, BEST: ranked(booster, held.pairs, held.truth.shape)}, task)
    means = table(judged)
    print(means.loc[:, [(p, metric) for p in SLICES for metric in ("recall", "ndcg")]].round(4).to_string())
    for other in (SIMPLE, "TIFU-kNN"):
        over = gain(judged, BEST, other, "all", "recall")
        print(f"  {BEST} over {other}: recall {over.value:+.4f} [{over.low:+.4f}, {over.high:+.4f}]")
    best = means[("all", "recall")].max()
    print(f"  best {best:.4f}; to DNNTSP as published {best / PUBLISHED[name]:.3f}, "
          f"to group + personal frequency as published {best / GROUP[name]:.3f}", flush=True)  # fmt: skip


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="TMS as well")
    parser.add_argument("--validate", action="store_true", help="the validation sequences, to choose settings on")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        print(f"skipped: no data at {DATA}; set NBO_DATA")
        return
    for name in PUBLISHED if arguments.full else list(PUBLISHED)[:1]:
        run(name, "validate" if arguments.validate else "test")


if __name__ == "__main__":
    main()
