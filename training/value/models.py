"""Models of what a customer will spend: each gives the expected spend and an interval of it.

n = customers, d = inputs, k = borders between steps. A model is one ``model.json``: numbers only, read back exactly.

- ``steps``: value in ordered steps, the chance to exceed each border by a logistic regression of its own (Frank and
  Hall 2001, "A Simple Approach to Ordinal Classification"); the forecast of ``purchases`` is one of the inputs.
- ``purchases``: BG/NBD times Gamma-Gamma, see :mod:`training.value.bg_nbd`.
- ``spend``: the spend of the last 84 days, scaled, and something for everybody. The baseline.

The latter two say no more than an expectation; their interval is what came in training, relative to what was expected,
by tenths of the expectation.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from scipy.special import expit

from training.models.artifacts import Meta, Model, matrix
from training.models.logistic import Logits
from training.value.bg_nbd import BgNbd, GammaGamma
from training.value.spec import NAME

#: inputs of ``purchases``, columns of ``PURCHASE_SERIES``
OF_PURCHASES = ("visits_total", "tenure_days", "recency_days", "spend_total")
OF_SPEND = ("spend_84",)
#: the least that is expected of anybody, in the source's currency: metrics of shares need it above zero
LEAST = 0.01
WEIGHTS_FILE = "model.json"
_TENTHS = 10


class ValueModel(Model, Protocol):
    """What scoring sees of a model of value."""

    def interval(self, frame: pd.DataFrame, share: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
        """Return the bounds (n,), (n,) of the central ``share`` of what is expected to come."""


@dataclass(frozen=True)
class Bands:
    """What came relative to what was expected: ``low`` and ``high`` shares at the expectations ``at`` (80 %)."""

    at: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @staticmethod
    def of(expected: np.ndarray, truth: np.ndarray, share: float = 0.8) -> Bands:
        """Measure the bands by tenths of the expectation."""
        parts = [part for part in np.array_split(np.argsort(expected, kind="stable"), _TENTHS) if len(part)]
        ratio = truth / np.maximum(expected, LEAST)
        ends = [np.quantile(ratio[part], [(1 - share) / 2, (1 + share) / 2]) for part in parts]
        at = [float(expected[part].mean()) for part in parts]
        return Bands(tuple(at), tuple(float(low) for low, _ in ends), tuple(float(high) for _, high in ends))

    def around(self, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the interval around each expectation."""
        return tuple(expected * np.interp(expected, self.at, shares) for shares in (self.low, self.high))  # type: ignore[return-value]


@dataclass(frozen=True)
class PurchaseForecast:
    """BG/NBD times Gamma-Gamma over ``weeks`` to come, for the columns :data:`OF_PURCHASES`."""

    bg: BgNbd
    gg: GammaGamma
    weeks: float

    def spend(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the expected spend (n,)."""
        x, t_x, seen, mean = seen_purchases(frame)
        return np.maximum(self.bg.expected(self.weeks, x, t_x, seen) * self.gg.expected(x + 1, mean), LEAST)


def seen_purchases(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return repeat visits, weeks to the last, weeks seen and mean spend of a visit, (n,) each."""
    visits, tenure, recency, spend = matrix(frame, OF_PURCHASES, "value").T
    return visits - 1, (tenure - recency) / 7, tenure / 7, np.maximum(spend / visits, 0)


class _Expected:
    """What all forms share: the files, and an interval from :class:`Bands`."""

    def __init__(self, meta: Meta, files: dict[str, bytes]) -> None:
        self.meta, self.files = meta, files
        self.form: dict[str, Any] = json.loads(files[WEIGHTS_FILE])
        bands = self.form.get("bands")
        self.bands = Bands(**{name: tuple(values) for name, values in bands.items()}) if bands else None

    def to_bytes(self) -> dict[str, bytes]:
        return self.files

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        raise NotImplementedError

    def interval(self, frame: pd.DataFrame, share: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
        if self.bands is None or share != 0.8:
            raise ValueError(f"model {self.meta.name} knows the interval of 80 % only; asked for {share}")
        return self.bands.around(self.predict(frame))


class SpendAlone(_Expected):
    """base + share x spend of 84 days."""

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the expected spend (n,)."""
        spend = np.maximum(matrix(frame, OF_SPEND, self.meta.name)[:, 0], 0)
        return np.maximum(self.form["base"] + self.form["share"] * spend, LEAST)

    def contributions(self, frame: pd.DataFrame) -> np.ndarray:
        """Return what the input adds to the expectation (n, 1), against the mean customer, exactly."""
        spend = np.maximum(matrix(frame, OF_SPEND, self.meta.name), 0)
        return self.form["share"] * (spend - self.form["mean"])


class PurchasesTimesSpend(_Expected):
    """BG/NBD times Gamma-Gamma."""

    def __init__(self, meta: Meta, files: dict[str, bytes]) -> None:
        """Read the numbers."""
        super().__init__(meta, files)
        self.purchases = purchases_of(self.form["purchases"])

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the expected spend (n,)."""
        return self.purchases.spend(frame)

    def contributions(self, frame: pd.DataFrame) -> np.ndarray:
        """Return what each input adds to the logarithm of the expectation (n, 4), one after the other.

        From the mean customer of the training, inputs are put in place in the order of ``meta.inputs``: the sum is the
        whole difference, the parts depend on the order.
        """
        x = matrix(frame, OF_PURCHASES, self.meta.name)
        typical = np.array(self.form["typical"])
        steps = [np.log(self.purchases.spend(self._mixed(x, typical, place))) for place in range(x.shape[1] + 1)]
        return np.diff(np.stack(steps, axis=1), axis=1)

    def _mixed(self, x: np.ndarray, typical: np.ndarray, observed: int) -> pd.DataFrame:
        mixed = np.where(np.arange(x.shape[1]) < observed, x, typical)
        mixed[:, 2] = np.minimum(mixed[:, 2], mixed[:, 1])  # the last visit is never before the first
        return pd.DataFrame(mixed, columns=list(OF_PURCHASES))


class Steps(_Expected):
    """Ordered steps: ``borders`` (k,) between them, ``worth`` (k + 1,) the mean value of each, from nothing upwards.

    ``meta.inputs`` is what the regressions take, then what ``purchases`` needs besides.
    """

    def __init__(self, meta: Meta, files: dict[str, bytes]) -> None:
        """Read the numbers."""
        super().__init__(meta, files)
        self.purchases = purchases_of(self.form["purchases"])
        self.logits = Logits.of_form(self.form["logits"])
        self.borders, self.worth = (np.array(self.form[name], dtype="float64") for name in ("borders", "worth"))
        self.names: list[str] = self.form["inputs"]

    def shares(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the probability of each step (n, k + 1); rows add up to 1."""
        over = self._above(frame)
        edges = np.concatenate([np.ones((len(over), 1)), over, np.zeros((len(over), 1))], axis=1)
        return edges[:, :-1] - edges[:, 1:]

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the expected spend (n,)."""
        return np.maximum(self.shares(frame) @ self.worth, LEAST)

    def interval(self, frame: pd.DataFrame, share: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
        """Return the bounds of the central ``share`` (n,), (n,), values even within a step."""
        over = self._above(frame)
        return self._exceeded(over, (1 + share) / 2), self._exceeded(over, (1 - share) / 2)

    def contributions(self, frame: pd.DataFrame) -> np.ndarray:
        """Return what each input adds to the log-odds to spend more than the middle border (n, d), exactly.

        What the forecast of ``purchases`` adds counts as ``visits_total``.
        """
        log_odds = self.logits.contributions(self._inputs(frame), len(self.borders) // 2)
        place = {name: number for number, name in enumerate(self.meta.inputs)}
        total = np.zeros((len(frame), len(self.meta.inputs)))
        for number, name in enumerate([*self.names, OF_PURCHASES[0]]):
            total[:, place[name]] += log_odds[:, number]
        return total

    def _inputs(self, frame: pd.DataFrame) -> np.ndarray:
        return step_inputs(frame, self.names, self.purchases, self.meta.name)

    def _above(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the chance to exceed each border (n, k); it never rises from a border to the next."""
        return np.minimum.accumulate(expit(self.logits.log_odds(self._inputs(frame))), axis=1)

    def _exceeded(self, over: np.ndarray, chance: float) -> np.ndarray:
        """Return the value that is exceeded with this chance (n,); the last step fades out exponentially."""
        borders, worth = self.borders, self.worth
        step = (over > chance).sum(axis=1)  # borders that are exceeded more often than that
        inside = np.clip(step, 1, len(borders) - 1)
        rows = np.arange(len(over))
        high, low = over[rows, inside - 1], over[rows, inside]
        part = np.clip((high - chance) / np.maximum(high - low, 1e-12), 0, 1)
        value = borders[inside - 1] + part * (borders[inside] - borders[inside - 1])
        last = borders[-1] + max(worth[-1] - borders[-1], 0.0) * np.log(np.maximum(over[:, -1] / chance, 1))
        return np.where(step == 0, 0.0, np.where(step == len(borders), last, value))


def step_inputs(frame: pd.DataFrame, inputs: list[str], purchases: PurchaseForecast, name: str) -> np.ndarray:
    """Return what the regressions of the steps take (n, d): the inputs, then the forecast of ``purchases``."""
    return np.column_stack([matrix(frame, inputs, name), purchases.spend(frame)])


def purchases_of(form: dict[str, Any]) -> PurchaseForecast:
    """Read :func:`purchases_form`."""
    return PurchaseForecast(BgNbd(**form["bg"]), GammaGamma(**form["gg"]), form["weeks"])


def purchases_form(purchases: PurchaseForecast) -> dict[str, Any]:
    """Write the numbers of a forecast; what was the likelihood of the fit is left out."""
    bg = {name: value for name, value in asdict(purchases.bg).items() if name != "log_likelihood"}
    return {"bg": bg, "gg": asdict(purchases.gg), "weeks": purchases.weeks}


FORMS = {"spend": SpendAlone, "purchases": PurchasesTimesSpend, "steps": Steps}


def read(meta: Meta, files: dict[str, bytes]) -> Model:
    """Return the model of value in these files."""
    return FORMS[meta.extra["form"]](meta, files)  # type: ignore[return-value]


def packed(meta: Meta, form: dict[str, Any]) -> Model:
    """Return the model that these numbers make."""
    content = json.dumps(form, sort_keys=True).encode()
    return read(meta, {"meta.json": meta.to_json().encode(), WEIGHTS_FILE: content})


def value_model(form: str, family: str, inputs: Sequence[str], numbers: dict[str, Any]) -> Model:
    """Return the model of this form with these numbers."""
    return packed(Meta(NAME, "value", family, tuple(inputs), ("expected_spend",), {"form": form}), numbers)


def interval(model: Model, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds of 80 % of what is expected to come of each customer."""
    of_value: ValueModel = model  # type: ignore[assignment]
    return of_value.interval(frame)
