"""Which model serves: a challenger has to beat the champion and every baseline on the same held-out customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from training.evaluation.metrics import Interval, paired_bootstrap

#: no honest model of what people will do is as good as this
TOO_GOOD = 0.999


@dataclass(frozen=True)
class GateDecision:
    """What the gate decided.

    ``baseline`` is the strongest of the baselines; ``low`` and ``high`` bound ``value - baseline_value`` (95 %).
    """

    promote: bool
    reason: str
    value: float
    baseline: str
    baseline_value: float
    low: float
    high: float


def decide(
    challenger: pd.Series,
    baselines: Mapping[str, pd.Series],
    further: Mapping[str, pd.Series] | None = None,
    faults: Sequence[str] = (),
    rounds: int = 1000,
    seed: int = 20260101,
) -> GateDecision:
    """Decide whether the challenger becomes champion: it has to beat all there is, each by a paired interval.

    Args:
        challenger: its metric per held-out customer (index), higher is better.
        baselines: name -> the metric of a baseline for the same customers; at least one.
        further: name -> the same of what has to be beaten too and is no baseline that would serve, as the champion.
        faults: what :func:`faults` found; any of them refuses.
        rounds: resamples of the bootstrap.
        seed: of the bootstrap.
    """
    reasons = list(faults)
    if not np.isfinite(challenger.to_numpy(dtype="float64")).all():
        reasons.append("its metric is not a number for some customers")
    value = float(challenger.mean())
    strongest = max(baselines, key=lambda name: float(baselines[name].mean()))
    baseline_value = float(baselines[strongest].mean())
    if reasons:
        return GateDecision(False, "refused: " + "; ".join(reasons), value, strongest, baseline_value, np.nan, np.nan)
    rivals = {**(further or {}), **baselines}
    gains = {name: paired_bootstrap(challenger, other, rounds, seed) for name, other in rivals.items()}
    promote = all(gain.low > 0 for gain in gains.values())
    reason = ", ".join(_compare(name, gain) for name, gain in gains.items())
    verdict = "promoted: " if promote else "refused: "
    low, high = gains[strongest].low, gains[strongest].high
    return GateDecision(promote, verdict + reason, value, strongest, baseline_value, low, high)


def worse(
    challenger: Mapping[str, pd.Series],
    baselines: Mapping[str, Mapping[str, pd.Series]],
    rounds: int = 1000,
    seed: int = 20260101,
) -> list[str]:
    """Return in which further metrics the challenger loses to a baseline beyond chance; every one is a fault.

    Args:
        challenger: metric -> its value per held-out customer (index), higher is better.
        baselines: name -> the same of a baseline.
        rounds: resamples of the bootstrap.
        seed: of the bootstrap.
    """
    reasons = []
    for metric, values in challenger.items():
        for name, other in baselines.items():
            gain = paired_bootstrap(values, other[metric], rounds, seed)
            if gain.high < 0:
                interval = f"{gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"
                reasons.append(f"its {metric} is below that of {name}: {interval}")
    return reasons


def stands_in(baseline: pd.Series, champion: pd.Series | None, is_baseline: bool) -> bool:
    """Return whether the best baseline is to serve where no challenger may.

    A champion that was trained is never replaced by it. A champion that is a baseline itself has no such protection: it
    serves only since nothing better was found, and the better mean is reason enough.

    Args:
        baseline: metric of the strongest baseline per held-out customer (:attr:`Decision.baseline`).
        champion: of the standing champion, or None where there is none.
        is_baseline: whether that champion is a baseline.
    """
    return champion is None or (is_baseline and float(baseline.mean()) > float(champion.mean()))


def faults(
    probability: np.ndarray,
    truth: np.ndarray,
    inputs: Sequence[str],
    declared: Sequence[str],
) -> list[str]:
    """Return what makes a model untrustworthy whatever its metric says.

    Args:
        probability: its predictions on the gate window, of any shape.
        truth: what happened, of the same shape.
        inputs: columns the model takes.
        declared: columns it may take.
    """
    reasons = []
    undeclared = sorted(set(inputs) - set(declared))
    if undeclared:
        reasons.append(f"it takes inputs that are not declared: {undeclared}")
    p = np.asarray(probability, dtype="float64").ravel()
    if p.size == 0 or not np.isfinite(p).all():
        reasons.append("its scores are not numbers" if p.size else "it gave no scores")
    elif np.ptp(p) < 1e-9:
        reasons.append(f"all its scores are {p[0]:.6f}")
    else:
        t = np.asarray(truth, dtype=bool).ravel()
        if 0 < t.sum() < t.size and (auc := roc_auc_score(t, p)) >= TOO_GOOD:
            reasons.append(f"ROC AUC {auc:.4f} is too good to be true: an input gives the label away")
    return reasons


def _compare(what: str, gain: Interval) -> str:
    verb = "beats" if gain.low > 0 else "does not beat"
    return f"{verb} {what} by {gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"
