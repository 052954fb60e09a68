"""The product-characteristic network on the night's own gate window, against what it has to beat.

Reads the clean layer of some nights (``NBO_HOME``), builds their training sets with the night's own code, trains the
network as the night does, and judges all on the night's own gate window (the 28 days up to it): over all, and repeats
and discoveries with lists of their own, with paired intervals, against personal frequency, popularity (of the 28 days
before that window), popularity in the customer's segment and a logistic regression per characteristic. Then what a cut
from probabilities to recommended characteristics brings. ``--architectures`` compares architectures as the weekly
training does, on the validation window, and tells of the same networks on the gate window, which chooses nothing.
``--clean`` takes the past of an earlier night from the clean layer of a later one, whole weeks after it.
"""

from __future__ import annotations

import argparse
import logging
import time
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd

from bench.inputs.night_windows import windows_of
from bench.measures.tables import threshold_sweep
from bench.peers.characteristics import by_segment, regressions
from conf.settings.load import load
from conf.settings.schema import Models, Settings
from jobs.lake.lake import Lake
from jobs.spark import session
from jobs.train.sets.training_sets import training_sets
from training.characteristics.architectures import compared, study
from training.characteristics.baselines import baseline
from training.characteristics.contenders import contenders
from training.characteristics.evaluate import slices_of
from training.characteristics.fit import CharacteristicsConfig, Lessons, lessons, truth_of
from training.characteristics.numpy_network import Network
from training.evaluation.fitted import Evaluation
from training.evaluation.metrics import paired_bootstrap
from training.sets import TrainingSets

PARTS, METRICS = ("all", "repeats", "discoveries"), ("hit_rate", "ndcg")
CUTS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
Slices = dict[str, pd.DataFrame]


def measure(settings: Settings, night: date, clean: date, architectures: bool) -> None:
    """Train and judge for one night."""
    lake = Lake(settings.lake)
    windows = windows_of(settings, lake, clean)
    windows = replace(
        windows,
        gate=windows.gate - (clean - night),
        validation=windows.validation - (clean - night),
        training=tuple(day - (clean - night) for day in windows.training if day - (clean - night) >= windows.earliest),
    )
    with training_sets(settings, lake, session(settings, "bench"), clean, windows, {"customers"}) as sets:
        if architectures:
            studied(sets, settings.models)
        else:
            report(sets, settings.models)


def report(sets: TrainingSets, models: Models) -> None:
    """Print HitRate@5 and NDCG@5 of the network and its baselines, its gains over each, and the sweep of cuts."""
    started = time.process_time()
    fitted = contenders(sets, models)
    print(f"gate {sets.windows.gate}, trained in {time.process_time() - started:.0f} CPU s")
    network, *rest = (fitted.evaluate(model.model) for model in (fitted.challenger, fitted.baseline, *fitted.further))
    rivals: dict[str, Slices] = {
        evaluation.model.meta.family: dict(judged.slices)
        for evaluation, judged in zip((fitted.baseline, *fitted.further), rest, strict=True)
    }
    given, gate = learnt(sets, models), sets.read("customers", sets.windows.gate)
    customers = pd.concat([sets.read("customers", sets.windows.training), given.validation], ignore_index=True)
    shares = by_segment(customers, gate, given.dictionary, models.seed)
    rivals["popularity in segment"] = slices_of(gate, truth_of(gate), np.asarray(given.dictionary), shares)
    alone = fitted.evaluate(regressions(given).model)
    rivals[regressions(given).model.meta.family] = dict(alone.slices)
    _line("network", dict(network.slices))
    for family, other in rivals.items():
        _line(family, other)
        for part in PARTS:
            pairs = ((network.slices[part][name], other[part][name]) for name in METRICS)
            gains = [paired_bootstrap(*pair, models.bootstrap_rounds, models.seed) for pair in pairs]
            print(f"    network over it, {part:<12}" + "".join(
                f"  {name} {gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"
                for name, gain in zip(METRICS, gains, strict=True)
            ), flush=True)  # fmt: skip
    print(f"  ECE: network {network.metrics['ece']:.4f}, regressions {alone.metrics['ece']:.4f}")
    _sweep(network, fitted.challenger.model)


def learnt(sets: TrainingSets, models: Models) -> Lessons:
    """Return what the network of the night learns from."""
    days = sets.windows.training, sets.windows.validation
    train, validation = (sets.read("customers", day) for day in days)
    dictionary = sets.read("types", sets.windows.training[0])["product_type"].tolist()
    start = baseline(train, validation, dictionary, models.seed)
    return lessons(train, validation, dictionary, start, models.seed)


def studied(sets: TrainingSets, models: Models) -> None:
    """Print the study of architectures on the validation window, and the same networks on the gate window."""
    config = CharacteristicsConfig().configured(models.network, models.max_epochs, models.seed)
    given = learnt(sets, models)
    studied_changes = study(given, config, models.bootstrap_rounds)
    print(f"validation {sets.windows.validation}: '{studied_changes.chosen}' is chosen")
    _architectures(studied_changes.table)
    print(f"gate {sets.windows.gate}, networks of the training windows alone")
    gate = sets.read("customers", sets.windows.gate)
    _architectures(compared(studied_changes.fits, gate, models.bootstrap_rounds, models.seed))


def _architectures(table: pd.DataFrame) -> None:
    shown = table.set_index("architecture").round(4)
    print(shown.drop(columns=[name for name in shown if name.startswith("hit_rate_r")]).to_string(), flush=True)


def _sweep(judged: Evaluation, model: object) -> None:
    limits = Network.of(model).thresholds  # type: ignore[arg-type]
    sweep = threshold_sweep(judged.probability, judged.truth > 0, limits, CUTS)
    print(sweep.round(3).to_string(index=False), flush=True)


def _line(name: str, slices: Slices) -> None:
    values = (f"{part} {slices[part][metric].mean():.4f}" for part in PARTS for metric in METRICS)
    print(f"  {name:<24}" + "  ".join(values), flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--night", type=date.fromisoformat, action="append")
    parser.add_argument("--clean", type=date.fromisoformat, help="night of the clean layer (default: the night itself)")
    parser.add_argument("--architectures", action="store_true")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    for night in arguments.night or (date(2017, 11, 27), date(2017, 12, 3)):
        print(f"night {night}")
        measure(load(), night, arguments.clean or night, arguments.architectures)


if __name__ == "__main__":
    main()
