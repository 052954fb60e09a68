"""Next basket with fixed splits: Recall@10 of the last basket of the test sequences.

Reads ``<name>.json.gz``: ``{"train": {key: [[item, ...], ...]}, "validate": ..., "test": ...}``, item numbers from 0, a
list of baskets per key in the order of time; any such file may be named. Every model's setting is chosen on the
validation sequences; the ranker learns from the last baskets of the training sequences. Published figures are those of
Dunnhumby-Carbo and TMS (Li et al. 2023, "A Next Basket Recommendation Reality Check", TOIS).
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.inputs.data_folder import DATA
from bench.measures.comparison import SLICES, RankingTask, compare, gain, table
from bench.measures.splits import next_basket
from bench.peers.ease import ease
from bench.peers.frequency import decayed_frequency, popularity, repeat_frequency
from bench.peers.history import History
from bench.peers.pair_features import Pairs, pair_features
from bench.peers.recommender import Recommender
from bench.peers.tifu import TifuConfig, tifu
from bench.peers.two_stage import RANKER, candidate_pairs, candidate_recall, fit_ranker, labels, ranked

FOLDER = DATA / "baskets"
PUBLISHED = {"dunnhumby_carbo": 0.4615, "tms": 0.4693}
GROUP = {"dunnhumby_carbo": 0.4576, "tms": 0.4727}
BEST, SIMPLE = "two stages", "group + personal frequency"
Sequences = list[list[list[int]]]


FADED, TIFU, EASE = "faded, group + personal", "TIFU-kNN", "EASE"
#: model -> the settings that it is chosen from, and how it is made of one
TRIED: dict[str, tuple[tuple[float, ...], Callable[[History, float], Recommender]]] = {
    SIMPLE: ((0.02, 0.05, 0.2), lambda past, group: decayed_frequency(past, None, group)),
    FADED: ((2, 5, 10, 20), lambda past, life: decayed_frequency(past, life, 0.05)),
    TIFU: ((0.1, 0.3, 0.5, 0.7), lambda past, alpha: tifu(past, TifuConfig(alpha=alpha))),
    EASE: ((30, 100, 300), lambda past, penalty: ease(past, penalty, binary=True)),
}


def choose(train: Sequences, validate: Sequences, items: int) -> dict[str, float]:
    """Return each model's setting with the highest recall of the validation sequences' last baskets."""
    past, truth = next_basket([[*baskets, []] for baskets in train] + validate, items)
    task = RankingTask(truth, (past.counts() > 0).astype("float32").tocsr(), 10)
    chosen = {}
    for name, (settings, made) in TRIED.items():
        judged = compare({str(value): made(past, value) for value in settings}, task, ("all",))
        recalls = {value: float(judged[f"{value}/all"]["recall"].mean()) for value in settings}
        chosen[name] = max(recalls, key=recalls.__getitem__)
        shown = ", ".join(f"{value:g}: {recall:.4f}" for value, recall in recalls.items())
        print(f"  {name} on the validation sequences: {shown}", flush=True)
    return chosen


def models(past: History, settings: dict[str, float]) -> dict[str, Recommender]:
    """Fit the bank; ages are counted in baskets."""
    chosen = {name: made(past, settings[name]) for name, (_, made) in TRIED.items()}
    return {"popularity": popularity(past, None), "personal frequency": repeat_frequency(past), **chosen}


class NextBasketCut:
    """Sequences with their last baskets cut off; ``whole`` ones are only learnt from."""

    def __init__(self, whole: Sequences, cut: Sequences, items: int, settings: dict[str, float]) -> None:
        """Fit the bank and describe the candidates of the cut sequences."""
        self.past, self.truth = next_basket([[*baskets, []] for baskets in whole] + cut, items)
        self.seen = (self.past.counts() > 0).astype("float32").tocsr()
        self.models = models(self.past, settings)
        rows = np.arange(len(whole), len(whole) + len(cut))
        sources = [(self.models[name], 30) for name in (FADED, TIFU, EASE)]
        row, column = candidate_pairs(sources, rows)
        renamed = [replace(self.models[name], name=name) for name in ("popularity", TIFU, EASE)]
        self.pairs: Pairs = pair_features(self.past, row, column, renamed)
        print(f"  {len(cut):,} sequences, candidate recall {candidate_recall(row, column, self.truth):.3f}", flush=True)


def run(file: Path, part: str, threads: int) -> None:
    """Print the table of one data set."""
    name = file.name.removesuffix(".json.gz")
    with gzip.open(file, "rt") as stream:
        parts = {key: list(value.values()) for key, value in json.load(stream).items()}
    items = 1 + max(item for split in parts.values() for baskets in split for basket in baskets for item in basket)
    print(f"\n{name}, {part}")
    settings = choose(parts["train"], parts["validate"], items)
    learnt, held = (
        NextBasketCut([], parts["train"], items, settings),
        NextBasketCut(parts["train"], parts[part], items, settings),
    )
    config = replace(RANKER, threads=threads, rounds=150, learning_rate=0.05, leaves=15, min_rows=100)
    booster = fit_ranker([(learnt.pairs, labels(learnt.pairs, learnt.truth))], config)
    task = RankingTask(held.truth, held.seen, 10)
    judged = compare({**held.models, BEST: ranked(booster, held.pairs, held.truth.shape)}, task)
    means = table(judged)
    print(means.loc[:, [(p, metric) for p in SLICES for metric in ("recall", "ndcg")]].round(4).to_string())
    for other in (SIMPLE, TIFU):
        over = gain(judged, BEST, other, "all", "recall")
        print(f"  {BEST} over {other}: recall {over.value:+.4f} [{over.low:+.4f}, {over.high:+.4f}]")
    best = means.loc[BEST, ("all", "recall")]
    for what, figures in (("DNNTSP", PUBLISHED), ("group + personal frequency", GROUP)):
        if name in figures:
            print(f"  {BEST} {best:.4f}; to {what} as published {best / figures[name]:.3f}", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="data sets (default: Dunnhumby-Carbo in NBO_DATA)")
    parser.add_argument("--full", action="store_true", help="TMS as well")
    parser.add_argument("--validate", action="store_true", help="judge on the validation sequences")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    files = [FOLDER / f"{name}.json.gz" for name in (PUBLISHED if arguments.full else list(PUBLISHED)[:1])]
    for file in arguments.files or files:
        if not file.exists():
            print(f"skipped: no data at {file}; set NBO_DATA")
            continue
        run(file, "validate" if arguments.validate else "test", arguments.threads)


if __name__ == "__main__":
    main()
