"""Several logistic regressions over the same inputs as one matrix: all of them cost one product.

n = rows, d = inputs, k = outputs. Numbers live in JSON, which cannot run code and reads back exactly.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Scaler:
    """``arcsinh`` of the inputs, missing values filled with the ``median``, then scaled; (d,) each."""

    median: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    @staticmethod
    def of(x: np.ndarray) -> Scaler:
        """Learn it from inputs (n, d); a column without any value is filled with 0."""
        logs = np.arcsinh(x)
        centres = np.where(np.isnan(logs).all(axis=0), 0.0, logs)
        median = np.nanmedian(centres, axis=0)
        filled = np.where(np.isnan(centres), median, centres)
        return Scaler(median, filled.mean(axis=0), filled.std(axis=0) + 1e-9)

    def scaled(self, x: np.ndarray) -> np.ndarray:
        """Return the inputs filled and scaled (n, d)."""
        logs = np.arcsinh(x)
        return (np.where(np.isnan(logs), self.median, logs) - self.mean) / self.scale


@dataclass(frozen=True)
class Logits:
    """A scaler, and ``coefficients`` (k, d) and ``intercepts`` (k,) of its scaled inputs."""

    scaler: Scaler
    coefficients: np.ndarray
    intercepts: np.ndarray

    def log_odds(self, x: np.ndarray) -> np.ndarray:
        """Return the log-odds of every output (n, k)."""
        return self.scaler.scaled(x) @ self.coefficients.T + self.intercepts

    def contributions(self, x: np.ndarray, output: int | None = None) -> np.ndarray:
        """Return what each input adds to an output's log-odds, or to their mean (n, d), against the mean row."""
        weights = self.coefficients.mean(axis=0) if output is None else self.coefficients[output]
        return self.scaler.scaled(x) * weights

    def to_form(self) -> dict[str, list[float]]:
        """Return the numbers, for JSON."""
        numbers = asdict(self.scaler) | {"coefficients": self.coefficients, "intercepts": self.intercepts}
        return {name: np.asarray(values).tolist() for name, values in numbers.items()}

    @staticmethod
    def of_form(form: dict[str, list[float]]) -> Logits:
        """Read :meth:`to_form`."""
        numbers = {name: np.array(values, dtype="float64") for name, values in form.items()}
        scaler = Scaler(*(numbers.pop(name) for name in ("median", "mean", "scale")))
        return Logits(scaler, **numbers)
