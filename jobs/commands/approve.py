"""Command ``nbo approve``: let models serve that passed the gate and were held until a person agreed."""

from __future__ import annotations

import argparse

from conf.errors import ConfigError, DataError
from conf.settings.schema import Settings
from jobs.train.model_pins import open_registry
from training.registry import served_names


def command(settings: Settings, args: argparse.Namespace) -> int:
    """Promote what is held of ``args.models``, or of all models where none is named.

    Nights that are already published keep their scores; the next run of ``nbo train`` pins the new champions.

    Raises:
        ConfigError: there is no such model.
        DataError: a model that was named is not held.
    """
    served = served_names(settings.propensities)
    unknown = sorted(set(args.models) - set(served))
    if unknown:
        raise ConfigError(f"unknown model {', '.join(unknown)}; have {', '.join(served)}")
    registry = open_registry(settings)
    for name in args.models or served:
        version = registry.awaiting(name)
        if version is not None:
            registry.approve(version)
            print(f"{name}: version {version.number} (trained through {version.trained_through}) serves from now on")
        elif args.models:
            raise DataError(f"no version of {name} is held for approval")
    return 0
