"""Reads the training sets back: a Parquet folder per set and window, in a scratch folder of the lake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow.dataset as pads

from conf.errors import DataError
from jobs.lake.lake import Lake
from training.evaluation.windows import Windows


@dataclass(frozen=True)
class StoredSets:
    """The sets of one night, read back as pandas frames in a stable order (:class:`training.sets.TrainingSets`).

    Attributes:
        lake: where they lie.
        folder: under its root.
        windows: days of the training.
        night: the day that all of them end by.
        checkpoints: local folder from which a training that was killed goes on.
        leaking: set -> its inputs that depend on days after ``as_of`` (``leakage_check``); empty as it should be.
    """

    lake: Lake
    folder: str
    windows: Windows
    night: date
    checkpoints: Path
    leaking: Mapping[str, list[str]] = field(default_factory=dict)

    def read(self, name: str, days: tuple[date, ...] | date) -> pd.DataFrame:
        """Return the rows of set ``name`` in some windows, sorted by their keys within a window.

        Raises:
            DataError: rows have another ``as_of`` than their window's.
        """
        parts = [self._read(name, day) for day in (days if isinstance(days, tuple) else (days,))]
        return pd.concat(parts, ignore_index=True)

    def purchase_series(self, days: tuple[date, ...] | date) -> pd.DataFrame:
        """Return the rows of set ``purchase_series`` on some days, sorted by day, newest first, and customer."""
        rows = self._of_days("purchase_series", days)
        return rows.sort_values(["as_of", "customer_id"], ascending=[False, True], ignore_index=True)

    def labels(self, day: date) -> pd.DataFrame:
        """Return the rows of set ``labels`` in a window, sorted by customer and label."""
        return self._of_days("labels", day).sort_values(["customer_id", "label"], ignore_index=True)

    def _of_days(self, name: str, days: tuple[date, ...] | date) -> pd.DataFrame:
        wanted = days if isinstance(days, tuple) else (days,)
        stored = pads.dataset(f"{self.lake.base}/{self.folder}/{name}", filesystem=self.lake.fs, format="parquet")
        return stored.to_table(filter=pads.field("as_of").isin(list(wanted))).to_pandas()

    def visits(self) -> pd.DataFrame:
        """Return all visits of every customer, sorted by customer; ``days_ago`` counts to the night."""
        return self._read("visits", self.night)

    def _read(self, name: str, day: date) -> pd.DataFrame:
        path = f"{self.lake.base}/{self.folder}/{name}/{day}"
        rows = pads.dataset(path, filesystem=self.lake.fs, format="parquet").to_table().to_pandas()
        if not (rows["as_of"] == day).all():
            raise DataError(f"set {name} of {day} holds rows of other days: {sorted(map(str, rows['as_of'].unique()))}")
        keys = [key for key in ("customer_id", "product_type", "offer_id") if key in rows.columns]
        return rows.sort_values(keys, kind="stable", ignore_index=True)
