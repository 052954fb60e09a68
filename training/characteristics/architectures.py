"""A study: which architecture of the characteristic network ranks the validation window best.

All learn from the same rows, stop by the same rule, and are compared on the validation window by paired intervals. The
night's gate judges the one that is chosen on a window that none of them has seen.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from training.characteristics.evaluate import slices_of
from training.characteristics.examples import truth_of
from training.characteristics.fit import CharacteristicsConfig, FirstFit, Lessons, first_fit
from training.evaluation.metrics import paired_bootstrap
from training.networks.loop import Checkpoint

log = logging.getLogger(__name__)
STANDING = "configured"
#: what each architecture changes of the configured one
CHANGES: dict[str, dict[str, Any]] = {
    "no hidden layer": {"hidden": ()},
    "64 units": {"hidden": (64,)},
    "256 units": {"hidden": (256,)},
    "128 and 64 units": {"hidden": (128, 64)},
    "dropout 0.3": {"dropout": 0.3},
    "no item scores": {"items": False},
    "tanh": {"activation": "tanh"},
    "gelu": {"activation": "gelu"},
    "focal loss": {"loss": "focal"},
}
_METRICS = ("hit_rate", "ndcg")
#: slices that are compared
_PARTS = ("all", "repeats", "discoveries")


@dataclass(frozen=True)
class Study:
    """Architectures that were compared.

    Attributes:
        configs: name -> its configuration.
        fits: name -> what it learnt from the training windows.
        table: a row per architecture: ``architecture``, figures on the validation window, its gains over the configured
            one with 95 % intervals, ``epochs``, ``cpu_seconds``, ``chosen``.
    """

    configs: Mapping[str, CharacteristicsConfig]
    fits: Mapping[str, FirstFit]
    table: pd.DataFrame

    @property
    def chosen(self) -> str:
        """Name of the architecture that is to be trained."""
        return str(self.table.loc[self.table["chosen"], "architecture"].iloc[0])


def study(
    given: Lessons,
    config: CharacteristicsConfig,
    rounds: int,
    checkpoint: Checkpoint | None = None,
    changes: Mapping[str, Mapping[str, Any]] = CHANGES,
) -> Study:
    """Fit every architecture on the training windows, and choose.

    The configured one stands unless another's NDCG over all is beyond its own by the whole interval, and no worse for
    discoveries by the whole interval; of several the best is chosen.

    Args:
        given: what all learn from.
        config: the configured architecture.
        rounds: of the bootstrap.
        checkpoint: where a killed training goes on from.
        changes: name -> what is changed of ``config``.
    """
    configs = {STANDING: config, **{name: changed(config, change) for name, change in changes.items()}}
    fits: dict[str, FirstFit] = {}
    seconds: dict[str, float] = {}
    for name, settings in configs.items():
        started = time.process_time()
        kept = checkpoint and replace(checkpoint, name=f"{checkpoint.name}-{len(fits)}")
        fits[name] = first_fit(given, settings, kept)
        seconds[name] = time.process_time() - started
        log.info("architecture %s: %d epoch(s), %.1f CPU s", name, fits[name].epochs, seconds[name])
    table = compared(fits, given.validation, rounds, config.training.seed)
    table["epochs"] = [fit.epochs for fit in fits.values()]
    table["cpu_seconds"] = list(seconds.values())
    beyond = (table["gain_low"] > 0) & ~(table["discovery_gain_high"] < 0)
    best = table["ndcg_all"].where(beyond).idxmax() if beyond.any() else 0
    table["chosen"] = np.arange(len(table)) == best
    return Study(configs, fits, table)


def changed(config: CharacteristicsConfig, change: Mapping[str, Any]) -> CharacteristicsConfig:
    """Return the configuration with some of its sizes, or of its training's parts, replaced."""
    parts = {name: value for name, value in change.items() if name in type(config.training).model_fields}
    sizes = {name: value for name, value in change.items() if name not in parts}
    return replace(config, training=config.training.model_copy(update=parts), **sizes)


def compared(fits: Mapping[str, FirstFit], window: pd.DataFrame, rounds: int, seed: int) -> pd.DataFrame:
    """Return the figures of models on a window, and their paired gains over the first.

    Args:
        fits: name -> a model.
        window: rows of :func:`training.characteristics.examples.examples` with the list ``bought``.
        rounds: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        ``architecture``; ``hit_rate_`` and ``ndcg_`` of ``all``, ``repeats`` and ``discoveries``; ``gain`` and
        ``discovery_gain``, both of NDCG, with ``_low`` and ``_high``: NaN where nobody has any.
    """
    truth = truth_of(window)
    slices = {
        name: slices_of(window, truth, np.asarray(fit.model.meta.outputs), fit.model.predict(window))
        for name, fit in fits.items()
    }
    first, rows = next(iter(slices.values())), []
    for name, parts in slices.items():
        row: dict[str, Any] = {"architecture": name}
        row |= {f"{metric}_{part}": float(parts[part][metric].mean()) for part in _PARTS for metric in _METRICS}
        for what, part in (("gain", "all"), ("discovery_gain", "discoveries")):
            values = (np.nan, np.nan, np.nan)
            if len(parts[part]):
                difference = paired_bootstrap(parts[part]["ndcg"], first[part]["ndcg"], rounds, seed)
                values = difference.value, difference.low, difference.high
            row |= dict(zip((what, f"{what}_low", f"{what}_high"), values, strict=True))
        rows.append(row)
    return pd.DataFrame(rows)
