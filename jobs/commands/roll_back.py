"""Command ``nbo rollback``: take a model's newest champion out of service."""

from __future__ import annotations

import argparse

from conf.errors import ConfigError
from conf.settings.schema import Settings
from jobs.train.model_pins import open_registry
from training.registry import served_names


def command(settings: Settings, args: argparse.Namespace) -> int:
    """Let the champion before the newest one serve again; ``args.model`` names the model.

    Nights that are already published keep their scores; the next run of ``nbo train`` pins the earlier champion.

    Raises:
        ConfigError: there is no such model.
        DataError: there is no earlier champion.
    """
    served = served_names(settings.propensities)
    if args.model not in served:
        raise ConfigError(f"unknown model {args.model}; have {', '.join(served)}")
    version = open_registry(settings).rollback(args.model)
    print(
        f"{args.model}: version {version.number} (trained through {version.trained_through}) serves again; "
        "run `nbo train --ds ...` and the stages after it for the nights that should use it"
    )
    return 0
