"""Recommenders on The Complete Journey: three windows of 28 days, all models on the same customers.

Settings were chosen on the window of 2017-09-10, before the first window that is reported. The ranker learns from the
windows before the one it is judged on. Product types: top 5 of those that are offered; products: top 10 of all.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np
import pandas as pd
from complete_journey import Journey, day_of, journey

from training.comparison import SLICES, Task, compare, gain, shown, table
from training.recommenders.als import FactorsConfig, als
from training.recommenders.ease import ease
from training.recommenders.frequency import decayed_frequency, personal_frequency, popularity
from training.recommenders.history import History
from training.recommenders.neighbours import item_neighbours, user_neighbours
from training.recommenders.pair_features import Pairs, pair_features
from training.recommenders.recommender import Recommender
from training.recommenders.tifu import TifuConfig, tifu
from training.recommenders.two_stage import RANKER, candidate_pairs, candidate_recall, fit_ranker, labels, ranked
from training.splits import last_window

HORIZON, TRAINING = 28, 2
REPORTED = ("2017-10-08", "2017-11-05", "2017-12-03")
BEST = "two stages"


class Window:
    """A window: its history, its truth, its models and the candidates of both rankers."""

    def __init__(self, data: Journey, as_of: int, products: bool) -> None:
        """Fit the classical models on all days up to ``as_of``."""
        started = time.process_time()
        self.past, self.truth = last_window(*_lines(data), as_of, HORIZON, data.shape)
        self.seen = (self.past.counts() > 0).astype("float32").tocsr()
        self.models = models(self.past, products)
        known = np.flatnonzero(np.diff(self.seen.indptr) > 0)
        few = 20 if products else 40
        own = [(self.models["decayed frequency"], 60), (self.models["EASE"], 30)]
        new = [(self.models[name], few) for name in ("popularity", "EASE", "EASE, whether", "user-kNN")]
        self.all = self._pairs(data, *candidate_pairs([*own, *new], known))
        self.new = self._pairs(data, *candidate_pairs(new, known, self.seen))
        print(f"  day {as_of}: {len(self.models)} models, {len(self.all.row):,} candidates, recall "
              f"{candidate_recall(self.all.row, self.all.column, self.truth):.3f}, "
              f"cpu {time.process_time() - started:.0f} s", flush=True)  # fmt: skip

    def _pairs(self, data: Journey, row: np.ndarray, column: np.ndarray) -> Pairs:
        told = [replace(model, name=name) for name, model in self.models.items() if name in TOLD]
        return pair_features(self.past, row, column, told, data.groups)


#: models whose scores the ranker is told
TOLD = ("popularity", "EASE", "EASE, whether", "user-kNN")


def models(past: History, products: bool) -> dict[str, Recommender]:
    """Fit the classical bank with the settings chosen on the earlier window."""
    most = 4000 if products else past.shape[1]
    return {
        "popularity": popularity(past),
        "personal frequency": personal_frequency(past),
        "decayed frequency": decayed_frequency(past, 120, 0.1),
        "item-kNN": item_neighbours(past, 100),
        "user-kNN": user_neighbours(past, 100),
        "TIFU-kNN": tifu(past, TifuConfig()),
        "EASE": ease(past, 300, most),
        "EASE, whether": ease(past, 1000, most, binary=True),
        "ALS": als(past, FactorsConfig(iterations=5)),
    }


def report(window: Window, earlier: list[Window], k: int) -> pd.DataFrame:
    """Print one window's table and return it."""
    task, config = Task(window.truth, window.seen, k), replace(RANKER, threads=1)
    found = {}
    for kind in ("all", "new"):
        booster = fit_ranker([(getattr(w, kind), labels(getattr(w, kind), w.truth)) for w in earlier], config)
        found[kind] = ranked(booster, getattr(window, kind), window.truth.shape)
    judged = compare(window.models, task)
    for part in SLICES:
        judged |= compare({BEST: found["new" if part == "discoveries" else "all"]}, task, (part,))
    means = table(judged)
    print(
        means.loc[:, [(part, metric) for part in SLICES for metric in ("hit_rate", "ndcg", "recall")]]
        .round(4)
        .to_string()
    )
    for part, others in (("all", ("personal frequency", "decayed frequency", "EASE")),
                         ("discoveries", ("popularity", "EASE, whether"))):  # fmt: skip
        for other in others:
            over = [gain(judged, BEST, other, part, metric) for metric in ("hit_rate", "ndcg")]
            told = ", ".join(f"{name} {each.value:+.4f} [{each.low:+.4f}, {each.high:+.4f}]"
                             for name, each in zip(("hit rate", "NDCG"), over, strict=True))  # fmt: skip
            print(f"  {part}: {BEST} over {other}: {told}")
    print("  of the lists:", {name: round(value, 3) for name, value in shown(found["all"], task).items()}, flush=True)
    return means


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="three windows rather than one")
    parser.add_argument("--as-of", choices=REPORTED, help="one window alone")
    parser.add_argument("--products", action="store_true", help="products, top 10, rather than types, top 5")
    arguments = parser.parse_args()
    data, k = journey(arguments.products), 10 if arguments.products else 5
    print(f"{data.shape[0]:,} customers x {data.shape[1]:,} items, top {k}")
    windows: dict[int, Window] = {}
    tables = []
    wanted = [arguments.as_of] if arguments.as_of else REPORTED if arguments.full else REPORTED[-1:]
    for text in wanted:
        days = [day_of(text) - HORIZON * back for back in range(TRAINING + 1)]
        for day in days:
            if day not in windows:
                windows[day] = Window(data, day, arguments.products)
        print(f"\n{text}, the {HORIZON} days after it")
        tables.append(report(windows[days[0]], [windows[day] for day in days[1:]], k))
    print("\nmean of the windows")
    print(
        (sum(tables) / len(tables)).loc[:, [(p, m) for p in SLICES for m in ("hit_rate", "ndcg")]].round(4).to_string()
    )


def _lines(data: Journey) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return data.user, data.item, data.day, data.basket


if __name__ == "__main__":
    main()
