"""``nbo curve``: with what probability two titles of a similarity become candidates, by the catalogue's settings."""

from __future__ import annotations

import argparse

from conf.errors import ConfigError
from conf.settings.schema import Settings
from features.catalogue.config import CatalogueConfig, s_curve
from jobs.catalogue.build_catalogue import method_of

SIZES = (10_000, 1_000_000, 20_000_000)
LEVELS = tuple(step / 20 for step in range(2, 20))


def command(settings: Settings, args: argparse.Namespace) -> int:
    """Run ``nbo curve``: for the settings as they are, or for another length and target.

    Raises:
        ConfigError: length or target are out of their range.
    """
    config = method_of(settings)
    if args.length is not None or args.target is not None:
        length, target = args.length or config.length, args.target or config.target or config.threshold
        if not 50 <= length <= 500 or not 0 < target < 1:
            raise ConfigError(f"length must be 50 to 500 and target between 0 and 1; found {length} and {target}")
        config = CatalogueConfig(length=length, target=target)
    shapes = {size: config.shape(size) for size in (SIZES if config.target is None else SIZES[:1])}
    print(f"{'similarity':<12}" + "".join(f"{f'{bands} x {rows}':>12}" for bands, rows in shapes.values()))
    if len(shapes) > 1:
        print(f"{'titles':<12}" + "".join(f"{size:>12,}" for size in shapes))
    for level in LEVELS:
        cells = "".join(f"{s_curve(level, *shape):>12.4f}" for shape in shapes.values())
        print(f"{level:<12.2f}{cells}")
    return 0
