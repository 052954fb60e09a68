"""The networks on The Complete Journey, each against the classical models: product types, top 5, next action.

Settings were chosen on the window of 2017-09-10; 2017-10-08, 2017-11-05 and 2017-12-03 are reported. All models see
days up to the window's first alone, and networks learn from windows that end by it. ``--ablation`` switches the
branches of the hybrid off one by one, on three windows that end by the first reported; ``--actions`` is the next
action; ``--speed`` wide & deep against LightGBM. Every network fitted is a run in the MLflow of ``NBO_HOME``.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.inputs.complete_journey import Journey, day_of, journey, people, visits as series_of_visits
from bench.measures.comparison import SLICES, RankingTask, compare, gain, table, together
from bench.measures.splits import last_window
from bench.peer_networks.examples import ExampleWindows, Side
from bench.peer_networks.hybrid import BRANCHES, DRAWN, HybridConfig, hybrid
from bench.peer_networks.self_attention import SelfAttentionConfig, self_attention
from bench.peer_networks.two_tower import TwoTowerConfig, two_tower
from bench.peer_networks.word2vec import vocabulary
from bench.peers.ease import ease
from bench.peers.frequency import decayed_frequency, personal_frequency, popularity
from bench.peers.fusion import rank_fusion
from bench.peers.history import History
from bench.peers.neighbours import user_neighbours
from bench.peers.pair_features import Pairs, pair_features
from bench.peers.recommender import Recommender, only_own
from bench.peers.two_stage import RANKER, candidate_pairs, fit_ranker, labels, ranked
from conf.settings.load import load
from conf.settings.schema import NetworkTraining
from jobs.lake.fingerprint import code_version
from jobs.lake.night import peak_mb
from jobs.train.model_pins import open_registry
from training.evaluation.metrics import paired_bootstrap
from training.models.tracking import Registry, Run
from training.networks.loop import key_of
from training.next_action import evaluate as next_action_evaluate, fit as next_action_fit, inputs as next_action_inputs
from training.rankers.wide_deep import WideDeepConfig, fit_matrix

SETTINGS, REPORTED = "2017-09-10", ("2017-10-08", "2017-11-05", "2017-12-03")
#: windows of the ablation: their 28 days end by the first reported day
ABLATION = ("2017-07-16", "2017-08-13", "2017-09-10")
HORIZON, K, WORDS = 28, 5, 8
_NONE = np.zeros((0, 0)), np.zeros((0, 0))
FUSED_ALL = ("decayed frequency", "EASE", "two towers", "hybrid, all branches")
FUSED_NEW = ("EASE, whether", "two towers, for discoveries", "hybrid, for discoveries")
NETWORKS = (
    "hybrid, as the source draws it", "hybrid, all branches", "hybrid, for discoveries", "hybrid, slim",
    "hybrid, slim, for discoveries", "two towers", "two towers, for discoveries", "self-attention",
)  # fmt: skip
RANKERS = "rankers"
FUSED, BEST = "lists fused", "two stages, LightGBM"
CLASSICAL = ("popularity", "personal frequency", "decayed frequency", "EASE", "EASE, whether", "user-kNN")
WINDOWS = ExampleWindows(count=4, step=28)
HYBRID = HybridConfig(windows=WINDOWS, training=NetworkTraining(batch=256, epochs=6, learning_rate=3e-3))
#: the branches that the ablation shows to carry the network
SLIM = replace(HYBRID, branches=("trend", "own", "linear"))
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
    by_name = (
        popularity(past), personal_frequency(past), decayed_frequency(past, 120, 0.1), ease(past, 300),
        ease(past, 1000, binary=True), user_neighbours(past, 100),
    )  # fmt: skip
    return dict(zip(CLASSICAL, by_name, strict=True))


def side_of(data: Journey) -> Side:
    """Return the texts as words, the households' demographics, and the groups."""
    words = vocabulary(data.texts).encode(data.texts, WORDS)
    return Side(words, people(data), np.stack([data.groups[name] for name in ("department", "category")], axis=1))


class WindowCut:
    """One day: history, truth, classical models, and the candidates of the rankers, for all and for discoveries."""

    def __init__(self, data: Journey, as_of: int) -> None:
        """WindowCut off all days after ``as_of``."""
        self.past, self.truth = last_window(data.user, data.item, data.day, data.basket, as_of, HORIZON, data.shape)
        self.seen = (self.past.counts() > 0).astype("float32").tocsr()
        self.data = data

    @cached_property
    def models(self) -> dict[str, Recommender]:
        """The classical models."""
        return classical(self.past)

    def pairs(self, discoveries: bool) -> Pairs:
        """Return the candidates with their features."""
        buyers = np.flatnonzero(np.diff(self.seen.indptr) > 0)
        new = [(self.models[name], 40) for name in ("popularity", "EASE", "EASE, whether", "user-kNN")]
        own = [] if discoveries else [(self.models["decayed frequency"], 60), (self.models["EASE"], 30)]
        row, column = candidate_pairs([*own, *new], buyers, self.seen if discoveries else None)
        renamed = [replace(self.models[n], name=n) for n in ("popularity", "EASE", "EASE, whether", "user-kNN")]
        return pair_features(self.past, row, column, renamed, self.data.groups)


Fit = Callable[[], tuple[Recommender, dict[str, list[float]]]]


def networks(cut: WindowCut, side: Side) -> dict[str, tuple[Any, Fit]]:
    """Return the configuration and the fit of each network that stands on a history alone."""
    past = cut.past
    hybrids = (
        replace(HYBRID, branches=DRAWN), HYBRID, replace(HYBRID, discoveries=True), SLIM,
        replace(SLIM, discoveries=True),
    )  # fmt: skip
    towers = (TOWERS, replace(TOWERS, discoveries=True))
    fits = (
        *((config, partial(hybrid, past, side, config)) for config in hybrids),
        *((config, partial(two_tower, past, side, config)) for config in towers),
        (ATTENTION, partial(self_attention, past, ATTENTION)),
    )
    return dict(zip(NETWORKS, fits, strict=True))


@dataclass(frozen=True)
class TrainingRecords:
    """The runs of this command in MLflow: one for every fit of a network."""

    registry: Registry
    data_version: str

    @staticmethod
    def of(data: Journey) -> TrainingRecords:
        """Open the installation's registry."""
        return TrainingRecords(open_registry(load()), key_of(data.user, data.item, data.day, data.basket)[:16])

    @contextmanager
    def run(self, name: str, as_of: str, config: Any) -> Iterator[Run]:
        """Log configuration, data and code version, time and memory of what the body fits."""
        tags = {"model": "bench", "ds": as_of, "data_version": self.data_version, "code_version": code_version()}
        started = time.monotonic(), time.process_time()
        with self.registry.run(f"{name} {as_of}", asdict(config), tags) as run:
            yield run
            run.metrics({"training_seconds": time.monotonic() - started[0],
                         "training_cpu_seconds": time.process_time() - started[1], "peak_mb": peak_mb()})  # fmt: skip


def logged(run: Run, judged: dict[str, pd.DataFrame], curves: dict[str, list[float]]) -> None:
    """Log the curves, and the means of one model by slice."""
    run.curves(curves)
    run.metrics({f"{metric}_{key.rsplit('/', 1)[1]}": rows[metric].mean() for key, rows in judged.items()
                 for metric in ("hit_rate", "ndcg")})  # fmt: skip


def rankers(
    cut: WindowCut, earlier: list[WindowCut], discoveries: bool, records: TrainingRecords, as_of: str
) -> dict[str, Recommender]:
    """Fit LightGBM and wide & deep on the candidates of earlier windows and rank those of this one."""
    learnt = [(window.pairs(discoveries), window.truth) for window in earlier]
    now = cut.pairs(discoveries)
    labelled = [(pairs, labels(pairs, truth)) for pairs, truth in learnt]
    scores = {}
    started = time.process_time()
    booster = fit_ranker(labelled, replace(RANKER, threads=2))
    scores["two stages, LightGBM"] = ranked(booster, now, cut.truth.shape)
    _print_training("two stages, LightGBM", started, {})
    plain = [number for number, name in enumerate(now.names) if not name.startswith(("department", "category"))]
    less = [(Pairs(p.row, p.column, tuple(p.names[n] for n in plain), p.values[:, plain]), y) for p, y in labelled]
    booster = fit_ranker(less, replace(RANKER, threads=2))
    bare = Pairs(now.row, now.column, tuple(now.names[n] for n in plain), now.values[:, plain])
    scores["two stages without content"] = ranked(booster, bare, cut.truth.shape)
    started = time.process_time()
    x, y = np.concatenate([p.values for p, _ in labelled]), np.concatenate([y for _, y in labelled]).astype("float32")
    name = f"wide & deep{', discoveries' if discoveries else ''}"
    with records.run(name, as_of, WIDE_DEEP) as run:
        files, curves = fit_matrix("ranker", (x.astype("float64"), y), None, now.names, WIDE_DEEP)
        scores["two stages, wide & deep"] = _wide_deep(files, now, cut)
        parts = ("discoveries",) if discoveries else ("all", "repeats")
        logged(
            run, compare({name: scores["two stages, wide & deep"]}, RankingTask(cut.truth, cut.seen, K), parts), curves
        )
    _print_training("two stages, wide & deep", started, curves)
    return scores


def _wide_deep(files: dict[str, bytes], pairs: Pairs, cut: WindowCut) -> Recommender:
    from scipy import sparse

    from training.models.artifacts import from_bytes

    probability = from_bytes(files).probabilities(pairs.values.astype("float64"))  # type: ignore[attr-defined]
    cells = (probability.astype("float32"), (pairs.row, pairs.column))
    return only_own("wide & deep", sparse.csr_matrix(cells, shape=cut.truth.shape))


def fitted(data: Journey, as_of: str, wanted: list[str], kept: Path, records: TrainingRecords) -> dict[str, np.ndarray]:
    """Return the scores (u, i) of models, fitted now or, in an earlier run, put into ``kept``."""
    cut, side, made = WindowCut(data, day_of(as_of)), side_of(data), {}
    nets, task = networks(cut, side), RankingTask(cut.truth, cut.seen, K)
    for name in (*CLASSICAL, *NETWORKS):
        path = kept / as_of / f"{name}.npy"
        if name in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            if name in nets:
                started, (config, fit) = time.process_time(), nets[name]
                with records.run(name, as_of, config) as run:
                    model, curves = fit()
                    logged(run, compare({name: model}, task), curves)
                _print_training(name, started, curves)
            else:
                model = cut.models[name]
            np.save(path, model.scores(slice(None)))
        if path.exists():
            made[name] = np.load(path)
    return made


def judge_networks(data: Journey, as_of: str, probabilities: dict[str, np.ndarray]) -> dict[str, pd.DataFrame]:
    """Judge models by their scores, and their lists fused where all that are fused are there."""
    past, truth = last_window(data.user, data.item, data.day, data.basket, day_of(as_of), HORIZON, data.shape)
    seen = (past.counts() > 0).astype("float32").tocsr()
    models, task = (
        {name: Given(name, *_NONE, given=scores) for name, scores in probabilities.items()},
        RankingTask(truth, seen, K),
    )
    judged = compare(models, task)
    fused = [models[name] for name in FUSED_ALL if name in models]
    new = [models[name] for name in FUSED_NEW if name in models]
    if len(fused) == len(FUSED_ALL):
        judged |= compare({FUSED: rank_fusion(fused)}, task, ("all", "repeats"))
    if len(new) == len(FUSED_NEW):
        for model in new:  # what is known takes no place
            model.given[seen.nonzero()] = -np.inf  # type: ignore[attr-defined]
        judged |= compare({FUSED: rank_fusion(new)}, task, ("discoveries",))
    return judged


def judge_rankers(data: Journey, as_of: str, records: TrainingRecords) -> dict[str, pd.DataFrame]:
    """Judge the rankers of candidates: for discoveries those that learnt from discoveries alone."""
    day = day_of(as_of)
    cut, *earlier = (WindowCut(data, day - HORIZON * back) for back in range(3))
    task = RankingTask(cut.truth, cut.seen, K)
    judged = compare(rankers(cut, earlier, False, records, as_of), task, ("all", "repeats"))
    return judged | compare(rankers(cut, earlier, True, records, as_of), task, ("discoveries",))


def report(judged: dict[str, pd.DataFrame]) -> None:
    """Print the means, and paired intervals over the baselines."""
    print(table(judged)[[(p, m) for p in SLICES for m in ("hit_rate", "ndcg")]].round(4).to_string())
    rivals = {
        "all": ("personal frequency", "decayed frequency", BEST),
        "discoveries": ("popularity", "EASE, whether", BEST),
    }
    for part, methods in rivals.items():
        for name in [key.rsplit("/", 1)[0] for key in judged if key.endswith(f"/{part}")]:
            lines = []
            for other in methods:
                if name in CLASSICAL or name == other or f"{other}/{part}" not in judged:
                    continue
                for metric in ("hit_rate", "ndcg"):
                    gained = gain(judged, name, other, part, metric)
                    lines.append(f"{other} {metric} {gained.value:+.4f} [{gained.low:+.4f}, {gained.high:+.4f}]")
            if lines:
                print(f"  {part}: {name} over " + "; ".join(lines), flush=True)


def ablation(data: Journey, days: list[str], records: TrainingRecords) -> None:
    """Print the hybrid without each of its branches: windows together, customers resampled with all of theirs."""
    side, parts, windows = side_of(data), ("all", "discoveries"), []
    offs = {"all branches": BRANCHES} | {
        f"without {off}": tuple(branch for branch in BRANCHES if branch != off) for off in BRANCHES
    }
    offs["trend, own, linear alone"] = SLIM.branches
    for as_of in days:
        cut, judged = WindowCut(data, day_of(as_of)), {}
        task = RankingTask(cut.truth, cut.seen, K)
        for name, kept in offs.items():
            started, config = time.process_time(), replace(HYBRID, branches=kept)
            with records.run(f"hybrid, {name}", as_of, config) as run:
                model, curves = hybrid(cut.past, side, config)
                one = compare({name: model}, task, parts)
                logged(run, one, curves)
            judged |= one
            _print_training(f"{as_of} {name}", started, curves)
        windows.append(judged)
    every = together(windows)
    print(table(every)[[(p, m) for p in parts for m in ("hit_rate", "ndcg")]].round(4).to_string())
    for name in offs:
        gains = (gain(every, "all branches", name, part, "ndcg") for part in parts)
        print(f"  all branches over {name}, NDCG: " + "; ".join(
            f"{part} {gained.value:+.4f} [{gained.low:+.4f}, {gained.high:+.4f}]"
            for part, gained in zip(parts, gains, strict=True)
        ), flush=True)  # fmt: skip


def next_actions(as_of: str) -> None:
    """Print how the next action is predicted: accuracy, and perplexity (how many actions it could as well be)."""
    day = day_of(as_of)
    series, config = series_of_visits(day + HORIZON), next_action_fit.NextActionConfig()
    cut = {back: next_action_inputs.windows(series, back, HORIZON) for back in (28, 56, *range(84, 84 + 7 * 12, 7))}
    gate, validation, learnt = cut.pop(28), cut.pop(56), pd.concat(cut.values(), ignore_index=True)
    started = time.process_time()
    bank = next_action_evaluate.baselines(learnt, config)
    chain = bank[0]
    network = next_action_fit.fit(learnt, validation, chain, config)
    _print_training("recurrent network", started, dict(network.curves))
    outputs = chain.model.meta.outputs
    right = next_action_inputs.labels(gate, outputs[:-1])
    last = next_action_inputs.labels(gate.assign(next=[actions[0] for actions in gate["actions"]]), outputs[:-1])
    models = [fitted_model.model for fitted_model in (*bank, network)]
    evaluations = {
        model.meta.family: next_action_evaluate.evaluate(gate, outputs, model.predict(gate)) for model in models
    }
    print(f"  {len(outputs)} actions, {len(gate):,} customers; as the last time: accuracy {np.mean(last == right):.4f}")
    for name, judged in evaluations.items():
        figures = {key: round(judged.metrics[key], 4) for key in ("accuracy", "perplexity", "ece")}
        print(f"  {name}: {figures}")
    for other in ("own shares", "Markov chain"):
        gain = paired_bootstrap(evaluations["recurrent network"].by_customer, evaluations[other].by_customer, 1000, 1)
        print(f"  log-likelihood of the network over {other}: {gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]")
    comes = gate["days"].to_numpy() > 0
    days = np.abs(network.model.forecast(gate)[1][comes, right[comes]] - gate["days"].to_numpy()[comes])  # type: ignore[attr-defined]
    usual = np.abs(np.median(gate["days"][comes]) - gate["days"].to_numpy()[comes])
    print(f"  days to the visit, mean error: network {days.mean():.2f}, the median of all {usual.mean():.2f}")


def speed(rows: int = 400_000, inputs: int = 60) -> None:
    """Print rows a CPU second of wide & deep and of LightGBM on the same numbers."""
    import lightgbm

    from training.models.artifacts import from_bytes

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


def _print_training(name: str, started: float, curves: dict[str, list[float]]) -> None:
    losses = [round(value, 4) for value in curves.get("loss", [])]
    print(f"  {name}: cpu {time.process_time() - started:.0f} s, losses {losses}", flush=True)


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--as-of", default=REPORTED[-1], choices=(SETTINGS, *REPORTED))
    parser.add_argument("--full", action="store_true", help="all three reported windows")
    parser.add_argument(
        "--fit", nargs="*", help="models to fit (default all, rankers too); others are read from --kept"
    )
    parser.add_argument(
        "--kept", type=Path, default=Path("/tmp/bench_networks"), help="folder of scores, for short runs"
    )
    parser.add_argument("--ablation", action="store_true", help="the hybrid without each branch")
    parser.add_argument("--actions", action="store_true", help="the next action")
    parser.add_argument("--speed", action="store_true", help="wide & deep against LightGBM, rows a CPU second")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    if arguments.speed:
        return speed()
    if arguments.actions:
        print(f"next action after {arguments.as_of}", flush=True)
        return next_actions(arguments.as_of)
    data = journey(False)
    records = TrainingRecords.of(data)
    print(f"{data.shape[0]:,} customers x {data.shape[1]:,} product types, top {K}", flush=True)
    if arguments.ablation:
        return ablation(data, list(ABLATION), records)
    wanted = [*CLASSICAL, *NETWORKS, RANKERS] if arguments.fit is None else arguments.fit
    windows = []
    for as_of in REPORTED if arguments.full else (arguments.as_of,):
        print(as_of, flush=True)
        windows.append(_judged(data, as_of, wanted, arguments.kept, records))
        report(windows[-1])
    if len(windows) > 1:
        print("windows together, customers resampled:")
        report(together(windows))
    return None


def _judged(
    data: Journey, as_of: str, wanted: list[str], kept: Path, records: TrainingRecords
) -> dict[str, pd.DataFrame]:
    """Judge what is fitted now, and what an earlier run has kept."""
    judged = judge_networks(data, as_of, fitted(data, as_of, wanted, kept, records))
    ranked_before = kept / as_of / f"{RANKERS}.pkl"
    if RANKERS in wanted:
        ranked_before.parent.mkdir(parents=True, exist_ok=True)
        pd.to_pickle(judge_rankers(data, as_of, records), ranked_before)
    if ranked_before.exists():
        judged |= pd.read_pickle(ranked_before)
    return judged


if __name__ == "__main__":
    main()
