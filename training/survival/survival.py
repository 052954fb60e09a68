"""How long customers stay: the chance that an absence of the churn label's length begins, week by week.

A hazard of each week by one logistic regression on rows of customer and week, until the absence begins or is no longer
known: what is not known yet (censoring) costs rows, not truth. Week effects are free, and some inputs may count more or
less as weeks go by.

n = customers, w = weeks. Reference: Allison (1982), "Discrete-Time Methods for the Analysis of Event Histories".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from conf.tables.features import PURCHASE_SERIES
from features.customers.series_labels import SURVIVAL_WEEKS
from training.evaluation.fitted import Candidate, Judged
from training.models.artifacts import Meta, Model, matrix
from training.models.logistic import Logits, Scaler

NAME = "survival"
INPUTS: tuple[str, ...] = PURCHASE_SERIES.names[1:]
#: inputs whose say changes with the weeks
CHANGING = ("recency_days", "visit_rate_7", "visit_rate_56", "absence_by_rate")
WEIGHTS_FILE = "model.json"
_TINY = 1e-9


@dataclass(frozen=True)
class SurvivalConfig:
    """Everything that changes the fitted model."""

    strength: float = 0.01
    iterations: int = 500
    changing: tuple[str, ...] = CHANGING


class Survival:
    """Hazards of each week; the form is :class:`~training.models.logistic.Logits` with an output a week."""

    def __init__(self, meta: Meta, files: dict[str, bytes]) -> None:
        """Read the numbers."""
        self.meta, self.files = meta, files
        self.logits = Logits.of_form(json.loads(files[WEIGHTS_FILE]))

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the chance that no absence has begun by the end of each week (n, w)."""
        return np.cumprod(1 - self.hazards(frame), axis=1)

    def hazards(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the chance that the absence begins with each week, of those who are still there (n, w)."""
        return expit(self.logits.log_odds(matrix(frame, self.meta.inputs, self.meta.name)))

    def contributions(self, frame: pd.DataFrame) -> np.ndarray:
        """Return what each input adds to the log-odds of a week's hazard, the mean over the weeks (n, d)."""
        return self.logits.contributions(matrix(frame, self.meta.inputs, self.meta.name))

    def to_bytes(self) -> dict[str, bytes]:
        """Return the files of the model by name."""
        return self.files


def read(meta: Meta, files: dict[str, bytes]) -> Model:
    """Return the model in these files."""
    return Survival(meta, files)


def weeks_to_leave(alive: np.ndarray) -> np.ndarray:
    """Return the first week by whose end a customer has left with even odds (n,); NaN where there is none."""
    left = alive < 0.5
    return np.where(left.any(axis=1), left.argmax(axis=1) + 1.0, np.nan)


def rows(customers: pd.DataFrame, active_days: int, horizon_days: int, until: date) -> pd.DataFrame:
    """Keep active customers, and of their weeks those that are known by ``until``.

    Args:
        customers: the set ``purchase_series``: ``as_of``, ``leaves_in_week`` and the inputs.
        active_days: a customer is active with a purchase in these days.
        horizon_days: length of the absence.
        until: last day whose purchases may be known.
    """
    active = customers[customers["recency_days"] < active_days]
    days = (pd.Timestamp(until) - pd.to_datetime(active["as_of"])).dt.days
    known = np.clip((days - horizon_days) // 7 + 1, 0, SURVIVAL_WEEKS)
    leaves = active["leaves_in_week"].where(active["leaves_in_week"] <= known)
    told = active.assign(weeks_known=known, leaves_in_week=leaves)
    return told[told["weeks_known"] > 0].reset_index(drop=True)


def fit(train: pd.DataFrame, inputs: Sequence[str] = INPUTS, config: SurvivalConfig | None = None) -> Candidate:
    """Fit the hazards; O(customers x weeks x inputs).

    Args:
        train: from :func:`rows`.
        inputs: numeric columns.
        config: penalty, and the inputs whose say changes.
    """
    config = config or SurvivalConfig()
    stays = train["leaves_in_week"].fillna(train["weeks_known"]).to_numpy(dtype=int)
    row = np.repeat(np.arange(len(train)), stays)
    week = np.arange(len(row)) - np.repeat(np.cumsum(stays) - stays, stays) + 1
    left = train["leaves_in_week"].to_numpy()[row] == week
    raw = matrix(train, inputs, NAME)
    scaler = Scaler.of(raw)
    z = scaler.scaled(raw)
    place = [number for number, name in enumerate(inputs) if name in config.changing]
    log, weeks = np.log(np.arange(1, SURVIVAL_WEEKS + 1)), np.eye(SURVIVAL_WEEKS)
    x = np.concatenate([z[row], z[row][:, place] * log[week - 1][:, None], weeks[week - 1]], axis=1)
    fitted = LogisticRegression(C=config.strength, max_iter=config.iterations).fit(x, left)
    steady, changing, effect = np.split(fitted.coef_[0], [len(inputs), len(inputs) + len(place)])
    coefficients = np.tile(steady, (SURVIVAL_WEEKS, 1))
    coefficients[:, place] += np.outer(log, changing)
    logits = Logits(scaler, coefficients, effect + fitted.intercept_[0])
    family = f"hazards of {SURVIVAL_WEEKS} weeks" if len(inputs) > 1 else "hazards by recency alone"
    meta = Meta(NAME, "survival", family, tuple(inputs), tuple(f"week_{n}" for n in range(1, SURVIVAL_WEEKS + 1)))
    files = {"meta.json": meta.to_json().encode(), WEIGHTS_FILE: json.dumps(logits.to_form()).encode()}
    return Candidate(Survival(meta, files), asdict(config))


def baseline(train: pd.DataFrame) -> Candidate:
    """Fit the hazards on the days since the last purchase alone."""
    return fit(train, ["recency_days"], SurvivalConfig(strength=1e3))


def log_likelihoods(frame: pd.DataFrame, hazards: np.ndarray) -> np.ndarray:
    """Return each customer's log-likelihood over the weeks known of him (n,)."""
    week = np.arange(1, hazards.shape[1] + 1)
    leaves = frame["leaves_in_week"].fillna(np.inf).to_numpy()[:, None]
    stayed = (week < leaves) & (week <= frame["weeks_known"].to_numpy()[:, None])
    kept = np.log(np.maximum(1 - hazards, _TINY))
    return np.where(stayed, kept, 0.0).sum(axis=1) + np.where(
        week == leaves, np.log(np.maximum(hazards, _TINY)), 0.0
    ).sum(axis=1)


def judge(model: Model, frame: pd.DataFrame) -> Judged:
    """Judge the log-likelihood of each customer, and the chances at 4, 8 and 12 weeks where all of them are known."""
    alive = model.predict(frame)
    hazards = 1 - alive / np.concatenate([np.ones((len(alive), 1)), alive[:, :-1]], axis=1)
    each = pd.Series(log_likelihoods(frame, hazards)).groupby(frame["customer_id"].to_numpy()).mean()
    figures = {}
    for week in (4, 8, 12):
        known = (frame["weeks_known"] >= week).to_numpy()
        there = ~(frame["leaves_in_week"] <= week).to_numpy()[known]
        if 0 < there.sum() < len(there):
            figures[f"roc_auc_{week}_weeks"] = float(roc_auc_score(there, alive[known, week - 1]))
            figures[f"alive_{week}_weeks"] = float(alive[known, week - 1].mean())
            figures[f"came_true_{week}_weeks"] = float(there.mean())
    return Judged(each.sort_index(), figures, alive[:, -1], frame["leaves_in_week"].isna().to_numpy())
