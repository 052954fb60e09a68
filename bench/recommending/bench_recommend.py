"""Recommenders on The Complete Journey: windows of 28 days, all models on the same customers.

Settings were chosen on windows up to 2017-09-10, before the first one that is reported. Rankers learn from the two
windows before the one they are judged on. Product types: top 5 of those that are offered, three windows. Products
(``--products``): top 10 of all that were ever sold. ``--cache`` keeps windows between runs.
"""

from __future__ import annotations

import argparse
import pickle
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from bench.inputs.complete_journey import Journey, day_of, journey
from bench.measures.comparison import FEW, SLICES, RankingTask, compare, gain, shown, together
from bench.measures.splits import last_window, repeats_and_discoveries
from bench.peers.als import FactorsConfig, als
from bench.peers.content import content_tags
from bench.peers.ease import ease
from bench.peers.frequency import decayed_frequency, personal_frequency, popularity
from bench.peers.fusion import rank_fusion
from bench.peers.history import History
from bench.peers.neighbours import item_neighbours, user_neighbours
from bench.peers.pair_features import Pairs, pair_features
from bench.peers.recommender import Recommender
from bench.peers.tifu import TifuConfig, tifu
from bench.peers.two_stage import (
    NEW_RANKER,
    RANKER,
    candidate_recall,
    fit_ranker,
    of_buyers,
    ranked,
    source_pairs,
    united,
)  # fmt: skip
from training.evaluation.comparison import summary

HORIZON, TRAINING = 28, 2
REPORTED = ("2017-10-08", "2017-11-05", "2017-12-03")
BEST = "two stages"
#: models whose lists are fused, the simplest of hybrids
FUSED = ("decayed frequency", "EASE", "user-kNN")
#: models whose scores the ranker of all is told; that of discoveries is told ALS too
SOURCES = ("popularity", "popularity, 28 days", "EASE", "EASE, whether", "user-kNN", "TIFU-kNN")
SOURCES_NEW = (*SOURCES, "ALS")


@dataclass(frozen=True)
class RankedWindow:
    """A window: its truth, what was known before, its models, and the candidates of both rankers."""

    truth: sparse.csr_matrix
    seen: sparse.csr_matrix
    models: dict[str, Recommender]
    all: Pairs
    new: Pairs


def window(data: Journey, as_of: int, products: bool) -> RankedWindow:
    """Fit the classical models on all days up to ``as_of`` and describe the candidates."""
    started = time.process_time()
    past, truth = last_window(data.user, data.item, data.day, data.basket, as_of, HORIZON, data.shape)
    seen = (past.counts() > 0).astype("float32").tocsr()
    fitted = models(past, data.texts, products)
    buyers = np.flatnonzero(np.diff(seen.indptr) > 0)
    own = [("decayed frequency", 100 if products else 60), ("EASE", 30)]
    fresh = [("EASE, whether", 40), ("EASE", 20), ("user-kNN", 25), ("popularity", 20), ("popularity, 28 days", 20)]

    def candidates(
        sources: list[tuple[str, int]], names: tuple[str, ...], excluded: sparse.csr_matrix | None = None
    ) -> Pairs:
        parts = source_pairs([(fitted[name], most) for name, most in sources], buyers, excluded)
        row, column = united(parts, data.shape[1])
        print_recall([f"{name}, {most}" for name, most in sources], [*parts, (row, column)], truth, seen)
        renamed = [replace(model, name=name) for name, model in fitted.items() if name in names]
        return pair_features(past, row, column, renamed, data.groups)

    print(f"  day {as_of}: candidates, and the recall of each source over all, repeats and discoveries")
    both = RankedWindow(
        truth, seen, fitted, candidates(own + fresh, SOURCES), candidates([*fresh, ("ALS", 40)], SOURCES_NEW, seen)
    )
    print(f"  cpu {time.process_time() - started:.0f} s", flush=True)
    return both


def print_recall(
    sources: list[str], parts: list[tuple[np.ndarray, np.ndarray]], truth: sparse.csr_matrix, seen: sparse.csr_matrix
) -> None:
    """Print how many pairs each source brings, and the last part, their union; and what of the truth they hold."""
    wanted = (truth, *repeats_and_discoveries(truth, seen))
    for name, part in zip([*sources, "all sources"], parts, strict=True):
        recall = " ".join(f"{candidate_recall(*part, size):.3f}" for size in wanted)
        print(f"    {name:<26} {len(part[0]):>9,}  {recall}")


def models(past: History, texts: Sequence[str], products: bool) -> dict[str, Recommender]:
    """Fit the classical bank with the settings chosen on the earlier windows."""
    most = 4000 if products else past.shape[1]
    boosters = {
        "popularity": popularity(past),
        "popularity, 28 days": popularity(past, 28),
        "personal frequency": personal_frequency(past),
        "decayed frequency": decayed_frequency(past, 80, 1.0) if products else decayed_frequency(past, 120, 0.1),
        "user-kNN": user_neighbours(past, 100),
        "TIFU-kNN": tifu(past, TifuConfig()),
        "content tags": content_tags(past, texts, 60),
        "EASE": ease(past, 300, most),
        "EASE, whether": ease(past, 1000, most, binary=True),
        "ALS": als(past, FactorsConfig(iterations=8, regularization=30)),
    }
    if not products:  # quadratic in the items of a customer
        boosters["item-kNN"] = item_neighbours(past, 100)
    return boosters


def rankers(earlier: list[RankedWindow], threads: int) -> dict[str, Any]:
    """Fit the ranker of all and that of discoveries on earlier windows."""
    return {
        kind: fit_ranker([of_buyers(getattr(w, kind), w.truth) for w in earlier], replace(config, threads=threads))
        for kind, config in (("all", RANKER), ("new", NEW_RANKER))
    }


def report(now: RankedWindow, boosters: dict[str, Any], k: int, group: np.ndarray) -> dict[str, pd.DataFrame]:
    """Print one window's table and return the metrics of each user by ``model/slice``."""
    task = RankingTask(now.truth, now.seen, k)
    scores = {kind: ranked(booster, getattr(now, kind), now.truth.shape) for kind, booster in boosters.items()}
    by_name = {**now.models, "rank fusion": rank_fusion([now.models[name] for name in FUSED])}
    judged = compare(by_name, task)
    for part in SLICES:
        judged |= compare({BEST: scores["new" if part == "discoveries" else "all"]}, task, (part,))
    judged |= compare({**by_name, BEST: scores["all"]}, task, FEW)
    print(wide(summary(judged)).to_string())
    print(f"{BEST} by items bought again in the window:")
    print(by_repeats(judged[f"{BEST}/all"], task).round(3).to_string())
    gains(judged)
    for name, model in {**by_name, BEST: scores["all"]}.items():
        print(f"  lists of {name}:", {key: round(value, 3) for key, value in shown(model, task, group).items()})
    return judged


def gains(judged: dict[str, pd.DataFrame]) -> None:
    """Print what two stages are ahead of every other model, with paired intervals over users."""
    for part in SLICES:
        for other in [key.rsplit("/", 1)[0] for key in judged if key.endswith(f"/{part}")]:
            if other == BEST:
                continue
            over = [gain(judged, BEST, other, part, metric) for metric in ("hit_rate", "ndcg")]
            line = ", ".join(f"{name} {gained.value:+.4f} [{gained.low:+.4f}, {gained.high:+.4f}]"
                             for name, gained in zip(("hit rate", "NDCG"), over, strict=True))  # fmt: skip
            print(f"  {part}: {BEST} over {other}: {line}")


def by_repeats(frame: pd.DataFrame, task: RankingTask) -> pd.DataFrame:
    """Return customers, hit rate and misses by how many items they buy again in the window: where misses come from."""
    repeats, _ = repeats_and_discoveries(task.truth, task.seen)
    again = pd.cut(
        np.diff(repeats.indptr)[frame.index], [-1, 0, 1, 3, 10, 10**6], labels=["0", "1", "2-3", "4-10", "11+"]
    )
    grouped = frame["hit_rate"].groupby(again, observed=True)
    return pd.DataFrame(
        {"customers": grouped.size(), "hit rate": grouped.mean(), "misses": grouped.size() - grouped.sum()}
    )


def wide(figures: pd.DataFrame) -> pd.DataFrame:
    """Return the means, a row per model, for reading."""
    kept = figures[figures["metric"].isin(["hit_rate", "ndcg", "recall"])]
    return kept.pivot_table(index="model", columns=["slice", "metric"], values="value", sort=False).round(4)


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="three windows rather than the last")
    parser.add_argument("--as-of", help="another day, for choosing settings: YYYY-MM-DD")
    parser.add_argument("--products", action="store_true", help="products, top 10, rather than types, top 5")
    parser.add_argument("--cache", type=Path, help="folder that keeps windows between runs")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    data, k = journey(arguments.products), 10 if arguments.products else 5
    print(f"{data.shape[0]:,} customers x {data.shape[1]:,} items, top {k}")
    windows: dict[int, RankedWindow] = {}
    judged = []
    for text in [arguments.as_of] if arguments.as_of else REPORTED if arguments.full else REPORTED[-1:]:
        days = [day_of(text) - HORIZON * back for back in range(TRAINING + 1)]
        windows = {day: windows.get(day) or _cached(arguments.cache, data, day, arguments.products) for day in days}
        boosters = rankers([windows[day] for day in days[1:]], arguments.threads)
        print(f"\n{text}, the {HORIZON} days after it", flush=True)
        judged.append(report(windows[days[0]], boosters, k, data.groups["department"]))
    print("\nmean of the windows")
    print(wide(pd.concat([summary(evaluation) for evaluation in judged])).to_string())
    print(f"{len(judged)} windows together, customers resampled:")
    gains(together(judged))


def _cached(folder: Path | None, data: Journey, day: int, products: bool) -> RankedWindow:
    file = folder / f"{'products' if products else 'types'}-{day}.pickle" if folder else None
    if file is not None and file.exists():
        cached: RankedWindow = pickle.loads(file.read_bytes())  # written below, by this very program
        return cached
    made = window(data, day, products)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(pickle.dumps(made, protocol=5))
    return made


if __name__ == "__main__":
    main()
