"""How survival is evaluated, and against what: hazards by the days since the last purchase alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from conf.settings.schema import Models
from features.customers.series_labels import SURVIVAL_WEEKS
from training.contenders import Contenders, NotEnoughData, require_both_classes
from training.evaluation.fitted import Evaluation, FittedModel
from training.evaluation.leakage import SplitDays, part
from training.models.artifacts import Model
from training.sets import TrainingSets
from training.survival.fit import SurvivalConfig, fit
from training.survival.inputs import rows

_TINY = 1e-9


def baseline(train: pd.DataFrame) -> FittedModel:
    """Fit the hazards on the days since the last purchase alone."""
    return fit(train, ["recency_days"], SurvivalConfig(strength=1e3))


def log_likelihoods(frame: pd.DataFrame, hazards: np.ndarray) -> np.ndarray:
    """Return each customer's log-likelihood over the weeks that are known (n,)."""
    week = np.arange(1, hazards.shape[1] + 1)
    leaves = frame["leaves_in_week"].fillna(np.inf).to_numpy()[:, None]
    stayed = (week < leaves) & (week <= frame["weeks_observed"].to_numpy()[:, None])
    kept = np.log(np.maximum(1 - hazards, _TINY))
    return np.where(stayed, kept, 0.0).sum(axis=1) + np.where(
        week == leaves, np.log(np.maximum(hazards, _TINY)), 0.0
    ).sum(axis=1)


def evaluate(model: Model, frame: pd.DataFrame) -> Evaluation:
    """Evaluate the log-likelihood of each customer, and the chances at 4, 8 and 12 weeks where they are known."""
    alive = model.predict(frame)
    hazards = 1 - alive / np.concatenate([np.ones((len(alive), 1)), alive[:, :-1]], axis=1)
    by_customer = pd.Series(log_likelihoods(frame, hazards)).groupby(frame["customer_id"].to_numpy()).mean()
    figures = {}
    for week in (4, 8, 12):
        observed = (frame["weeks_observed"] >= week).to_numpy()
        there = ~(frame["leaves_in_week"] <= week).to_numpy()[observed]
        if 0 < there.sum() < len(there):
            figures[f"roc_auc_{week}_weeks"] = float(roc_auc_score(there, alive[observed, week - 1]))
            figures[f"alive_{week}_weeks"] = float(alive[observed, week - 1].mean())
            figures[f"came_true_{week}_weeks"] = float(there.mean())
    return Evaluation(by_customer.sort_index(), figures, alive[:, -1], frame["leaves_in_week"].isna().to_numpy())


def contenders(sets: TrainingSets, models: Models) -> Contenders:
    """Fit the model and its baseline, for the gate on all weeks.

    The gate day lies so far back that all weeks are known, and training knows nothing after it.

    Raises:
        NotEnoughData: the history does not reach far enough, or too few customers left.
    """
    windows, horizon, active = sets.windows, sets.windows.horizon.days, models.churn_active_days
    gate_day, days = windows.surviving(SURVIVAL_WEEKS, models.churn_windows // 2)
    if not days:
        raise NotEnoughData(f"survival: {SURVIVAL_WEEKS} weeks more than the other models need")
    gate = rows(sets.purchase_series((gate_day,)), active, horizon, windows.until)
    train = rows(sets.purchase_series(days), active, horizon, gate_day)
    require_both_classes(
        "an absence", *(frame.assign(**{"an absence": frame["leaves_in_week"] > 0}) for frame in (train, gate))
    )
    learnt, judged = (part(frame, horizon + 7 * (frame["weeks_observed"] - 1)) for frame in (train, gate))
    return Contenders(baseline(train), fit(train), lambda model: evaluate(model, gate), split=SplitDays(learnt, judged))
