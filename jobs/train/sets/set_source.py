"""Where the training sets come from: the clean layer, moved so that all windows look alike.

Spark compiles code for every query, with its dates inside, and compiling takes longer than running. So the past is
moved onto the night by whole weeks: all windows look alike, and all but the first run code that is compiled already.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame, functions as F

from conf.settings.schema import Settings
from conf.tables.canonical import CANONICAL
from training.evaluation.windows import Windows

_BUCKETS = 1_000_000


@dataclass(frozen=True)
class SetSource:
    """The clean layer, and where the sets go; with ``only``, of sets that are written at once this day alone."""

    settings: Settings
    clean: dict[str, DataFrame]
    customers: int
    day: date
    windows: Windows
    target: str
    only: date | None = None

    def sample(self, frame: DataFrame, most: int) -> DataFrame:
        """Keep about ``most`` customers, the same in every window, by a hash."""
        if self.customers <= most:
            return frame
        return frame.where(F.pmod(F.xxhash64("customer_id"), F.lit(_BUCKETS)) < int(_BUCKETS * most / self.customers))

    def write(self, frame: DataFrame, name: str, as_of: date) -> None:
        """Write a window of set ``name``."""
        frame.withColumn("as_of", F.lit(as_of)).write.parquet(f"{self.target}/{name}/{as_of}")


def moved(clean: dict[str, DataFrame], days: int) -> dict[str, DataFrame]:
    """Move every date of the clean layer ``days`` later; moments stay, only their time of day is ever read.

    Args:
        clean: canonical tables by name.
        days: a multiple of 7, so that weekdays stay what they were.
    """
    dates = {name: [c.name for c in CANONICAL[name].columns if c.type == "date" and not c.personal] for name in clean}
    return {
        name: table.withColumns({column: F.date_add(column, days) for column in dates[name]})
        for name, table in clean.items()
    }


def moved_onto_night(source: SetSource, as_of: date) -> tuple[date, dict[str, DataFrame]]:
    """Return the day that stands for ``as_of``, and the clean layer as it is then."""
    night = as_of if source.settings.horizon_days % 7 else source.day
    return night, moved(source.clean, (night - as_of).days) if night != as_of else source.clean
