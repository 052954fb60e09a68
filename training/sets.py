"""What models learn from, as those who fit them see it; ``jobs.train`` builds the sets and stores them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Protocol

import pandas as pd

from training.evaluation.windows import Windows


class TrainingSets(Protocol):
    """The training sets of one night as pandas frames in a stable order; every row has its ``as_of``."""

    @property
    def windows(self) -> Windows:
        """Days of the training."""

    @property
    def night(self) -> date:
        """The day that all windows end by."""

    @property
    def checkpoints(self) -> Path:
        """Local folder from which a training that was killed goes on."""

    def read(self, name: str, days: tuple[date, ...] | date) -> pd.DataFrame:
        """Return the rows of set ``name`` in some windows, sorted by their keys within a window."""

    def purchase_series(self, days: tuple[date, ...] | date) -> pd.DataFrame:
        """Return the rows of set ``purchase_series`` on some days, sorted by day, newest first, and customer."""

    def labels(self, day: date) -> pd.DataFrame:
        """Return the rows of set ``labels`` in a window, sorted by customer and label."""

    def visits(self) -> pd.DataFrame:
        """Return all visits of every customer, sorted by customer; ``days_ago`` counts to the night."""
