"""``nbo source init`` and ``nbo source check``."""

from __future__ import annotations

import argparse

from conf.settings.schema import Settings


def command(settings: Settings, args: argparse.Namespace) -> int:
    """Run the one that was asked for."""
    if args.step == "init":
        from jobs.source.init_source import init

        return init(args)
    from jobs.source.check_source import check

    return check(settings, args)
