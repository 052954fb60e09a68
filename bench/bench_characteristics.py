"""The product-characteristic network on the night's own gate window, beside personal frequency and popularity.

Reads the clean layer of some nights (``NBO_HOME``), builds their training sets with the night's own code, trains the
network as the night does, and judges all on the night's own gate window (the 28 days up to it): over all, and repeats
and discoveries with lists of their own, with paired intervals. Popularity is of the 28 days before that window.
"""

from __future__ import annotations

import argparse
import logging
import time
from datetime import date

from night_windows import windows_of

from conf.load import load
from conf.schema import Models, Settings
from jobs.lake import Lake
from jobs.spark import session
from jobs.training_sets import TrainingSets, training_sets
from jobs.trials import TASKS
from training.characteristics import NAME
from training.evaluation import paired_bootstrap
from training.fitting import Judged

PARTS, METRICS = ("all", "repeats", "discoveries"), ("hit_rate", "ndcg")


def measure(settings: Settings, night: date) -> None:
    """Train and judge for one night."""
    lake = Lake(settings.lake)
    found = windows_of(settings, lake, night)
    with training_sets(settings, lake, session(settings, "bench"), night, found, {"customers"}) as sets:
        told(sets, settings.models)


def told(sets: TrainingSets, models: Models) -> None:
    """Print HitRate@5 and NDCG@5 of the network and its baselines, and its gains over each."""
    started = time.process_time()
    trial = TASKS[NAME].trial(sets, models)
    print(f"gate {sets.windows.gate}, trained in {time.process_time() - started:.0f} CPU s")
    network, *others = (trial.judge(each.model) for each in (trial.challenger, trial.baseline, *trial.others))
    families = [each.model.meta.family for each in (trial.baseline, *trial.others)]
    _line("network", network)
    for family, other in zip(families, others, strict=True):
        _line(family, other)
        for part in PARTS:
            pairs = ((network.slices[part][name], other.slices[part][name]) for name in METRICS)
            gains = [paired_bootstrap(*pair, models.bootstrap_rounds, models.seed) for pair in pairs]
            print(f"    network over it, {part:<12}" + "".join(
                f"  {name} {gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"
                for name, gain in zip(METRICS, gains, strict=True)
            ), flush=True)  # fmt: skip


def _line(name: str, judged: Judged) -> None:
    values = (f"{part} {judged.slices[part][metric].mean():.4f}" for part in PARTS for metric in METRICS)
    print(f"  {name:<20}" + "  ".join(values), f" ECE {judged.metrics['ece']:.4f}", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--night", type=date.fromisoformat, action="append")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    for night in arguments.night or (date(2017, 11, 27), date(2017, 12, 3)):
        print(f"night {night}")
        measure(load(), night)


if __name__ == "__main__":
    main()
