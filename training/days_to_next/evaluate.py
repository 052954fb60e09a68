"""How days to the next purchase are evaluated, and against what: the customer's own median gap.

The gate's metric is a customer's log-likelihood, censored ones included: it is proper, and asks for the whole
distribution and not for its middle alone.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from conf.settings.schema import Models
from training.contenders import LEAST_HELD_OUT, LEAST_TRAINING, Contenders, NotEnoughData
from training.days_to_next.fit import DaysConfig, fit
from training.days_to_next.inputs import CENSORED, FOLLOWED, LABEL, OBSERVED, gate_and_training, rows
from training.days_to_next.log_normal import LogNormalDays, log_likelihoods
from training.evaluation.fitted import Evaluation, FittedModel
from training.evaluation.leakage import SplitDays, part
from training.models.artifacts import Model
from training.sets import TrainingSets

#: days within which coming back is a figure of the window
_MONTH = 28
#: family -> its inputs; a customer without a second visit has the median of all gaps
BASELINES: dict[str, tuple[str, ...]] = {
    "own median gap": ("gap_median",),
    "own median gap and days since the last purchase": ("gap_median", "recency_days"),
}


def baselines(train: pd.DataFrame) -> list[FittedModel]:
    """Fit the same distribution around simple inputs: the customer's own median gap, and the absence so far too."""
    return [fit(train, inputs, DaysConfig(penalty=0.0), family) for family, inputs in BASELINES.items()]


def evaluate(model: Model, frame: pd.DataFrame) -> Evaluation:
    """Evaluate the log-likelihood of each customer, and whether they come within 28 days.

    ``median_error_days`` is the median absolute error of the days of those who came within 84; ``sooner_share`` is the
    share of all customers who came before their median, 0.5 for an honest one.
    """
    log_normal: LogNormalDays = model  # type: ignore[assignment]
    location, days = log_normal.location(frame), frame[LABEL].to_numpy(dtype="float64")
    censored = frame[CENSORED].to_numpy(dtype=bool)
    values = log_likelihoods(days, censored, location, log_normal.spread)
    by_customer = pd.Series(values).groupby(frame["customer_id"].to_numpy()).mean().sort_index()
    median, came = np.exp(location), ~censored
    within = came & (days <= _MONTH)
    figures = {
        "median_error_days": float(np.median(np.abs(days - median)[came])) if came.any() else float("nan"),
        "sooner_share": float((came & (days < median)).mean()),
        "censored_share": float(censored.mean()),
    }
    return Evaluation(by_customer, figures, log_normal.chance_within(frame, _MONTH), within)


def contenders(sets: TrainingSets, models: Models) -> Contenders:
    """Fit the model and its baselines.

    Raises:
        NotEnoughData: the history does not reach far enough, or too few customers come back.
    """
    gate_day, days = gate_and_training(sets.windows, models)
    if not days:
        raise NotEnoughData(f"days to the next purchase: {FOLLOWED} days more than the other models need")
    train = rows(sets, days, models.churn_active_days, gate_day)
    gate = rows(sets, (gate_day,), models.churn_active_days, sets.windows.until)
    came = [int((~frame[CENSORED]).sum()) for frame in (train, gate)]
    if came[0] < LEAST_TRAINING or came[1] < LEAST_HELD_OUT:
        raise NotEnoughData(f"days to the next purchase: {came[0]} came back in training, {came[1]} in the gate window")
    start, *further = baselines(train)
    return Contenders(
        start,
        fit(train),
        lambda model: evaluate(model, gate),
        further,
        split=SplitDays(part(train, train[OBSERVED]), part(gate, gate[OBSERVED])),
    )
