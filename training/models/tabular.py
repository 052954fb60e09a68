"""Models of scikit-learn and LightGBM as they are served, with exact contributions; n = rows, d = inputs."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pandas as pd

from conf.errors import DataError
from training.formats import LINEAR, TREES
from training.models.artifacts import Meta, Model, matrix
from training.models.tree_shap import TreeTable, contributions as tree_contributions, tables as tree_tables

#: types beyond skops' own list that a file may hold; all are plain data
TRUSTED = ["numpy.dtype"]


def read_linear(meta: Meta, files: dict[str, bytes]) -> Model:
    """Return the scikit-learn pipeline in these files."""
    return LinearModel(meta, files)


def read_trees(meta: Meta, files: dict[str, bytes]) -> Model:
    """Return the LightGBM booster in these files."""
    return TreesModel(meta, files)


class _TabularModel:
    """What both have in common: files, calibration, and the meaning of a score."""

    def __init__(self, meta: Meta, files: dict[str, bytes]) -> None:
        """Keep the files."""
        self.meta, self.files = meta, files
        self.slope, self.intercept = meta.extra.get("calibration", (1.0, 0.0))

    def to_bytes(self) -> dict[str, bytes]:
        """Return the files of the model by name."""
        return self.files

    def _mean(self, score: np.ndarray) -> np.ndarray:
        """Return what a score stands for: of log-odds the probability, of the logarithm of an amount the amount."""
        if self.meta.extra.get("link") == "log":
            return np.exp(score)
        return 1 / (1 + np.exp(-(self.slope * score + self.intercept)))


class LinearModel(_TabularModel):
    """A scikit-learn pipeline: imputer first, logistic regression last."""

    def __init__(self, meta: Meta, files: dict[str, bytes]) -> None:
        """Read the pipeline.

        Raises:
            DataError: it holds types that could run code.
        """
        super().__init__(meta, files)
        import skops.io

        content = files[LINEAR.file]
        unknown = sorted(set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED))
        if unknown:
            raise DataError(f"model {meta.name} holds types that are not trusted: {unknown}; train it again")
        self.pipeline = skops.io.loads(content, trusted=TRUSTED)

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return probabilities, or with a logarithmic link amounts (n,)."""
        x = matrix(frame, self.meta.inputs, self.meta.name)
        if not len(x):
            return np.zeros(0)
        log = self.meta.extra.get("link") == "log"
        return self._mean(self.pipeline.predict(x)[:, 0] if log else self.pipeline.decision_function(x))

    def contributions(self, frame: pd.DataFrame) -> np.ndarray:
        """Return what each input adds to the log-odds (n, d), exactly."""
        x = matrix(frame, self.meta.inputs, self.meta.name)
        if not len(x):
            return np.zeros((0, len(self.meta.inputs)))
        imputer, regression = self.pipeline[0], self.pipeline[-1]
        log_odds = self.slope * self.pipeline[:-1].transform(x) * regression.coef_[0]
        total = log_odds[:, : len(self.meta.inputs)].copy()
        indicated = imputer.indicator_.features_ if imputer.indicator_ is not None else []
        for place, source in enumerate(indicated):  # "is missing" belongs to the input that is missing
            total[:, source] += log_odds[:, len(self.meta.inputs) + place]
        return total


class TreesModel(_TabularModel):
    """A LightGBM booster."""

    def __init__(self, meta: Meta, files: dict[str, bytes]) -> None:
        """Read the booster."""
        super().__init__(meta, files)
        import lightgbm

        self.booster = lightgbm.Booster(model_str=files[TREES.file].decode())

    @cached_property
    def tables(self) -> list[TreeTable] | None:
        """What each small tree adds, by the outcomes of its splits; None: trees are too large for it."""
        return tree_tables(self.booster.dump_model()["tree_info"])

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return probabilities, or with a logarithmic link amounts (n,)."""
        x = matrix(frame, self.meta.inputs, self.meta.name)
        return self._mean(np.asarray(self.booster.predict(x, raw_score=True))) if len(x) else np.zeros(0)

    def contributions(self, frame: pd.DataFrame) -> np.ndarray:
        """Return what each input adds to the log-odds (n, d), exactly."""
        x = matrix(frame, self.meta.inputs, self.meta.name)
        if not len(x):
            return np.zeros((0, len(self.meta.inputs)))
        if self.tables is not None:
            return self.slope * tree_contributions(self.tables, x)
        return self.slope * np.asarray(self.booster.predict(x, pred_contrib=True))[:, :-1]  # the last is the bias
