"""The networks on The Complete Journey, each beside the classical models: product types, top 5, next action.

Settings were chosen on the window of 2017-09-10; 2017-10-08, 2017-11-05 and 2017-12-03 are reported. All models see
days up to the window's first alone, and networks learn from windows that end by it. ``--ablation`` switches the
branches of the hybrid off one by one; ``--actions`` is the next action; ``--speed`` wide & deep against LightGBM.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd
from complete_journey import Journey, day_of, journey, people, visits as series_of_visits

from conf.schema import NetworkTraining
from training.comparison import SLICES, Task, compare, gain, table
from training.evaluation import paired_bootstrap
from training.networks import next_action, visits
from training.networks.wide_deep import WideDeepConfig, fit_matrix
from training.peers.examples import Side, Windows
from training.peers.hybrid import BRANCHES, DRAWN, HybridConfig, hybrid
from training.peers.self_attention import SelfAttentionConfig, self_attention
from training.peers.two_tower import TwoTowerConfig, two_tower
from training.peers.word2vec import vocabulary
from training.recommenders.ease import ease
from training.recommenders.frequency import decayed_frequency, personal_frequency, popularity
from training.recommenders.fusion import rank_fusion
from training.recommenders.history import History
from training.recommenders.neighbours import user_neighbours
from training.recommenders.pair_features import Pairs, pair_features
from training.recommenders.recommender import Recommender, only_own
from training.recommenders.two_stage import RANKER, candidate_pairs, fit_ranker, labels, ranked
from training.splits import last_window

SETTINGS, REPORTED = "2017-09-10", ("2017-10-08", "2017-11-05", "2017-12-03")
HORIZON, K, WORDS = 28, 5, 8
_NONE = np.zeros((0, 0)), np.zeros((0, 0))
FUSED_ALL = ("decayed frequency", "EASE", "two towers", "hybrid, all branches")
FUSED_NEW = ("EASE, whether", "two towers, for discoveries", "hybrid, for discoveries")
NETWORKS = (
    "hybrid, as the source draws it", "hybrid, all branches", "hybrid, for discoveries", "two towers",
    "two towers, for discoveries", "self-attention",
)  # fmt: skip
RANKERS = "rankers"
FUSED, BEST = "lists fused", "two stages, LightGBM"
CLASSICAL = ("popularity", "personal frequency", "decayed frequency", "EASE", "EASE, whether", "user-kNN")
WINDOWS = Windows(count=4, step=28)
HYBRID = HybridConfig(windows=WINDOWS, training=NetworkTraining(batch=256, epochs=6, learning_rate=3e-3))
TOWERS = TwoTowerConfig(windows=WINDOWS, training=NetworkTraining(batch=1024, epochs=4))
ATTENTION = SelfAttentionConfig(training=NetworkTraining(batch=128, epochs=12))
WIDE_DEEP = WideDeepConfig(training=NetworkTraining(batch=4096, epochs=6, learning_rate=3e-3))


@dataclass(frozen=True)
class Given(Recommender):
    """A recommender whose scores (u, i) are there already."""

    given: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    @property
    def shape(self) -> tuple[int, int]:
        """Users and items."""
        return self.given.shape[0], self.given.shape[1]

    def scores(self, rows: slice | np.ndarray) -> np.ndarray:
        """Return the scores (b, i) of some users."""
        return self.given[rows].copy()


def classical(past: History) -> dict[str, Recommender]:
    """Fit the baselines with the settings chosen on the earlier window."""
    found = (
        popularity(past), personal_frequency(past), decayed_frequency(past, 120, 0.1), ease(past, 300),
        ease(past, 1000, binary=True), user_neighbours(past, 100),
    )  # fmt: skip
    return dict(zip(CLASSICAL, found, strict=True))


def side_of(data: Journey) -> Side:
    """Return the texts as words, the households' demographics, and the groups."""
    words = vocabulary(data.texts).encode(data.texts, WORDS)
    return Side(words, people(data), np.stack([data.groups[name] for name in ("department", "category")], axis=1))


class Cut:
    """One day: history, truth, classical models, and the candidates of the rankers, for all and for discoveries."""

    def __init__(self, data: Journey, as_of: int) -> None:
        """Cut off all days after ``as_of``."""
        self.past, self.truth = last_window(data.user, data.item, data.day, data.basket, as_of, HORIZON, data.shape)
        self.seen = (self.past.counts() > 0).astype("float32").tocsr()
        self.data = data

    @cached_property
    def models(self) -> dict[str, Recommender]:
        """The classical models."""
        return classical(self.past)

    def pairs(self, discoveries: bool) -> Pairs:
        """Return the candidates with their features."""
        known = np.flatnonzero(np.diff(self.seen.indptr) > 0)
        new = [(self.models[name], 40) for name in ("popularity", "EASE", "EASE, whether", "user-kNN")]
        own = [] if discoveries else [(self.models["decayed frequency"], 60), (self.models["EASE"], 30)]
        row, column = candidate_pairs([*own, *new], known, self.seen if discoveries else None)
        told = [replace(self.models[n], name=n) for n in ("popularity", "EASE", "EASE, whether", "user-kNN")]
        return pair_features(self.past, row, column, told, self.data.groups)


def networks(cut: Cut, side: Side) -> dict[str, Callable[[], tuple[Recommender, dict[str, list[float]]]]]:
    """Return the fits of the networks that stand on a history alone."""
    past = cut.past
    drawn = replace(HYBRID, branches=DRAWN)
    fits = (
        lambda: hybrid(past, side, drawn),
        lambda: hybrid(past, side, HYBRID),
        lambda: hybrid(past, side, replace(HYBRID, discoveries=True)),
        lambda: two_tower(past, side, TOWERS),
        lambda: two_tower(past, side, replace(TOWERS, discoveries=True)),
        lambda: self_attention(past, ATTENTION),
    )
    return dict(zip(NETWORKS, fits, strict=True))


def rankers(cut: Cut, earlier: list[Cut], discoveries: bool) -> dict[str, Recommender]:
    """Fit LightGBM and wide & deep on the candidates of earlier windows and rank those of this one."""
    learnt = [(each.pairs(discoveries), each.truth) for each in earlier]
    now = cut.pairs(discoveries)
    labelled = [(pairs, labels(pairs, truth)) for pairs, truth in learnt]
    found = {}
    started = time.process_time()
    booster = fit_ranker(labelled, replace(RANKER, threads=2))
    found["two stages, LightGBM"] = ranked(booster, now, cut.truth.shape)
    _told("two stages, LightGBM", started, {})
    plain = [number for number, name in enumerate(now.names) if not name.startswith(("department", "category"))]
    less = [(Pairs(p.row, p.column, tuple(p.names[n] for n in plain), p.values[:, plain]), y) for p, y in labelled]
    booster = fit_ranker(less, replace(RANKER, threads=2))
    bare = Pairs(now.row, now.column, tuple(now.names[n] for n in plain), now.values[:, plain])
    found["two stages without content"] = ranked(booster, bare, cut.truth.shape)
    started = time.process_time()
    x, y = np.concatenate([p.values for p, _ in labelled]), np.concatenate([y for _, y in labelled]).astype("float32")
    files, curves = fit_matrix("ranker", (x.astype("float64"), y), None, now.names, WIDE_DEEP)
    found["two stages, wide & deep"] = _wide_deep(files, now, cut)
    _told("two stages, wide & deep", started, curves)
    return found


def _wide_deep(files: dict[str, bytes], pairs: Pairs, cut: Cut) -> Recommender:
    from scipy import sparse

    from training.artifacts import from_bytes

    probability = from_bytes(files).probabilities(pairs.values.astype("float64"))  # type: ignore[attr-defined]
    cells = (probability.astype("float32"), (pairs.row, pairs.column))
    return only_own("wide & deep", sparse.csr_matrix(cells, shape=cut.truth.shape))


def fitted(data: Journey, as_of: str, wanted: list[str], kept: Path) -> dict[str, np.ndarray]:
    """Return the scores (u, i) of models, fitted now or, in an earlier run, put into ``kept``."""
    cut, side, made = Cut(data, day_of(as_of)), side_of(data), {}
    works = {name: partial(_classical, cut, name) for name in CLASSICAL} | networks(cut, side)
    for name, work in works.items():
        path = kept / as_of / f"{name}.npy"
        if name in wanted:
            started = time.process_time()
            model, curves = work()
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, model.scores(slice(None)))
            _told(name, started, curves)
        if path.exists():
            made[name] = np.load(path)
    return made


def _classical(cut: Cut, name: str) -> tuple[Recommender, dict[str, list[float]]]:
    return cut.models[name], {}


def judge_networks(data: Journey, as_of: str, found: dict[str, np.ndarray]) -> dict[str, pd.DataFrame]:
    """Judge models by their scores, and their lists fused where all that are fused are there."""
    past, truth = last_window(data.user, data.item, data.day, data.basket, day_of(as_of), HORIZON, data.shape)
    seen = (past.counts() > 0).astype("float32").tocsr()
    models, task = {name: Given(name, *_NONE, given=scores) for name, scores in found.items()}, Task(truth, seen, K)
    judged = compare(models, task)
    known = [models[name] for name in FUSED_ALL if name in models]
    new = [models[name] for name in FUSED_NEW if name in models]
    if len(known) == len(FUSED_ALL):
        judged |= compare({FUSED: rank_fusion(known)}, task, ("all", "repeats"))
    if len(new) == len(FUSED_NEW):
        for model in new:  # what is known takes no place
            model.given[seen.nonzero()] = -np.inf  # type: ignore[attr-defined]
        judged |= compare({FUSED: rank_fusion(new)}, task, ("discoveries",))
    return judged


def judge_rankers(data: Journey, as_of: str) -> dict[str, pd.DataFrame]:
    """Judge the rankers of candidates: for discoveries those that learnt from discoveries alone."""
    day = day_of(as_of)
    cut, *earlier = (Cut(data, day - HORIZON * back) for back in range(3))
    task = Task(cut.truth, cut.seen, K)
    judged = compare(rankers(cut, earlier, False), task, ("all", "repeats"))
    return judged | compare(rankers(cut, earlier, True), task, ("discoveries",))


def report(judged: dict[str, pd.DataFrame]) -> None:
    """Print the means, and paired intervals over the baselines."""
    print(table(judged)[[(p, m) for p in SLICES for m in ("hit_rate", "ndcg")]].round(4).to_string())
    rivals = {
        "all": ("personal frequency", "decayed frequency", BEST),
        "discoveries": ("popularity", "EASE, whether", BEST),
    }
    for part, others in rivals.items():
        for name in [key.rsplit("/", 1)[0] for key in judged if key.endswith(f"/{part}")]:
            told = []
            for other in others:
                if name in CLASSICAL or name == other or f"{other}/{part}" not in judged:
                    continue
                for metric in ("hit_rate", "ndcg"):
                    each = gain(judged, name, other, part, metric)
                    told.append(f"{other} {metric} {each.value:+.4f} [{each.low:+.4f}, {each.high:+.4f}]")
            if told:
                print(f"  {part}: {name} over " + "; ".join(told), flush=True)


def ablation(data: Journey, as_of: str) -> None:
    """Print the hybrid without each of its branches."""
    side, cut = side_of(data), Cut(data, day_of(as_of))
    task, models = Task(cut.truth, cut.seen, K), {}
    for off in (None, *BRANCHES):
        name = "all branches" if off is None else f"without {off}"
        kept = tuple(branch for branch in BRANCHES if branch != off)
        started = time.process_time()
        models[name], curves = hybrid(cut.past, side, replace(HYBRID, branches=kept))
        _told(name, started, curves)
    judged = compare(models, task, ("all", "discoveries"))
    print(table(judged)[[(p, m) for p in ("all", "discoveries") for m in ("hit_rate", "ndcg")]].round(4).to_string())
    for name in models:
        each = gain(judged, "all branches", name, "all", "ndcg")
        print(f"  all branches over {name}: NDCG {each.value:+.4f} [{each.low:+.4f}, {each.high:+.4f}]")


def next_actions(as_of: str) -> None:
    """Print how the next action is foretold: accuracy, and perplexity (how many actions it could as well be)."""
    day = day_of(as_of)
    series, config = series_of_visits(day + HORIZON), next_action.NextActionConfig()
    cut = {back: visits.windows(series, back, HORIZON) for back in (28, 56, *range(84, 84 + 7 * 12, 7))}
    gate, validation, learnt = cut.pop(28), cut.pop(56), pd.concat(cut.values(), ignore_index=True)
    started = time.process_time()
    bank = next_action.baselines(learnt, config)
    chain = bank[0]
    network = next_action.fit(learnt, validation, chain, config)
    _told("recurrent network", started, dict(network.curves))
    outputs = chain.model.meta.outputs
    right = visits.labels(gate, outputs[:-1])
    last = visits.labels(gate.assign(next=[actions[0] for actions in gate["actions"]]), outputs[:-1])
    models = [each.model for each in (*bank, network)]
    found = {model.meta.family: next_action.judge(gate, outputs, model.predict(gate)) for model in models}
    print(f"  {len(outputs)} actions, {len(gate):,} customers; as the last time: accuracy {np.mean(last == right):.4f}")
    for name, judged in found.items():
        told = {key: round(judged.metrics[key], 4) for key in ("accuracy", "perplexity", "ece")}
        print(f"  {name}: {told}")
    for other in ("own shares", "Markov chain"):
        each = paired_bootstrap(found["recurrent network"].each, found[other].each, 1000, 1)
        print(f"  log-likelihood of the network over {other}: {each.value:+.4f} [{each.low:+.4f}, {each.high:+.4f}]")
    comes = gate["days"].to_numpy() > 0
    days = np.abs(network.model.forecast(gate)[1][comes, right[comes]] - gate["days"].to_numpy()[comes])  # type: ignore[attr-defined]
    usual = np.abs(np.median(gate["days"][comes]) - gate["days"].to_numpy()[comes])
    print(f"  days to the visit, mean error: network {days.mean():.2f}, the median of all {usual.mean():.2f}")


def speed(rows: int = 400_000, inputs: int = 60) -> None:
    """Print rows a CPU second of wide & deep and of LightGBM on the same numbers."""
    import lightgbm

    from training.artifacts import from_bytes

    generator = np.random.default_rng(1)
    x = generator.gamma(1, 2, (rows, inputs))
    y = (generator.random(rows) < 1 / (1 + np.exp(3 - x[:, 0] * (x[:, 1] > 2)))).astype("float32")
    names = [f"n{number}" for number in range(inputs)]
    config = replace(WIDE_DEEP, training=WIDE_DEEP.training.model_copy(update={"epochs": 3, "batch": 16_384}))
    fit_matrix("speed", (x[:50_000], y[:50_000]), None, names, config)  # compiles
    started = time.process_time()
    files, _ = fit_matrix("speed", (x, y), None, names, config)
    deep = time.process_time() - started
    started = time.process_time()
    parameters = replace(RANKER, threads=2).parameters()
    booster = lightgbm.train(parameters, lightgbm.Dataset(x, y, feature_name=names), RANKER.rounds)
    trees = time.process_time() - started
    print(f"  training, rows a CPU second: wide & deep {3 * rows / deep:,.0f} an epoch, {rows / deep:,.0f} for three; "
          f"LightGBM {rows / trees:,.0f} for {RANKER.rounds} trees")  # fmt: skip
    model = from_bytes(files)
    for name, work in (("wide & deep in NumPy", lambda: model.probabilities(x)),  # type: ignore[attr-defined]
                       ("LightGBM", lambda: booster.predict(x))):  # fmt: skip
        work()
        started = time.process_time()
        work()
        print(f"  inference, {name}: {rows / (time.process_time() - started):,.0f} rows a CPU second", flush=True)


def _told(name: str, started: float, curves: dict[str, list[float]]) -> None:
    losses = [round(value, 4) for value in curves.get("loss", [])]
    print(f"  {name}: cpu {time.process_time() - started:.0f} s, losses {losses}", flush=True)


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--as-of", default=REPORTED[-1], choices=(SETTINGS, *REPORTED))
    parser.add_argument(
        "--fit", nargs="*", help="models to fit (default all, rankers too); others are read from --kept"
    )
    parser.add_argument(
        "--kept", type=Path, default=Path("/tmp/bench_networks"), help="folder of scores, for short runs"
    )
    parser.add_argument("--ablation", action="store_true", help="the hybrid without each branch")
    parser.add_argument("--actions", action="store_true", help="the next action")
    parser.add_argument("--speed", action="store_true", help="wide & deep beside LightGBM, rows a CPU second")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    if arguments.speed:
        return speed()
    if arguments.actions:
        print(f"next action after {arguments.as_of}", flush=True)
        return next_actions(arguments.as_of)
    data = journey(False)
    print(f"{data.shape[0]:,} customers x {data.shape[1]:,} product types, top {K}, {arguments.as_of}", flush=True)
    if arguments.ablation:
        return ablation(data, arguments.as_of)
    every = arguments.fit is None
    wanted = [*CLASSICAL, *NETWORKS, RANKERS] if every else arguments.fit
    judged = judge_networks(data, arguments.as_of, fitted(data, arguments.as_of, wanted, arguments.kept))
    ranked_before = arguments.kept / arguments.as_of / f"{RANKERS}.pkl"
    if RANKERS in wanted:
        pd.to_pickle(judge_rankers(data, arguments.as_of), ranked_before)
    if ranked_before.exists():
        judged |= pd.read_pickle(ranked_before)
    return report(judged)


if __name__ == "__main__":
    main()
