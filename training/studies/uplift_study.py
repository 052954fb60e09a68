"""What can be said of a treatment's effect: by every learner where it was given at random, and only a caveat where not.

n = customers, d = inputs; ``treated`` and ``outcome`` are 0 or 1 (n,).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.evaluation.metrics import Interval
from training.studies.uplift import LEARNERS, OBSERVATIONAL, Overlap, judge, out_of_fold, overlap

RANDOMISED, SEEN, NO_DESIGN = "randomised", "observational", "none"
#: customers in each arm, and with each outcome in each arm, without which nothing is said
LEAST_ARM, LEAST_OUTCOMES = 100, 20
_NOTHING = Interval(float("nan"), float("nan"), float("nan"))
_UNKNOWN = Overlap(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class Finding:
    """What one method says of one treatment; intervals are 95 %, NaN where nothing is claimed."""

    method: str
    design: str
    verdict: str
    caveat: str
    effect: Interval = _NOTHING
    uplift: Interval = _NOTHING
    qini: Interval = _NOTHING
    arms: Overlap = _UNKNOWN


def study(
    x: np.ndarray, treated: np.ndarray, outcome: np.ndarray, randomised: bool, before: np.ndarray, seed: int
) -> list[Finding]:
    """Say what the data allows to say of one treatment.

    Args:
        x: inputs (n, d), known before the treatment; NaN where unknown.
        treated: who got it.
        outcome: what came after.
        randomised: the source says that the rest was held back at random.
        before: (n,) spend before the treatment: how unlike the arms were.
        seed: of folds and resamples.

    Returns:
        A finding per learner for a randomised treatment; else one without an effect.
    """
    design = RANDOMISED if randomised else SEEN
    if min(treated.sum(), (1 - treated).sum()) < LEAST_ARM:
        few = f"{int(treated.sum())} treated and {int((1 - treated).sum())} others are too few to compare"
        return [Finding("none", design, f"nothing to target here: {few}", few)]
    x = np.arcsinh(np.nan_to_num(x))
    arms = overlap(x, treated)
    if not randomised:
        return [_observational(treated, before, arms)]
    if min(outcome[treated == arm].sum() for arm in (0, 1)) < LEAST_OUTCOMES or (
        min((1 - outcome[treated == arm]).sum() for arm in (0, 1)) < LEAST_OUTCOMES
    ):
        few = "too few of the customers differ in the outcome"
        return [Finding("none", design, f"nothing to target here: {few}", few, arms=arms)]
    caveat = (
        f"The treatment was given at random; a model does not tell the arms apart (ROC AUC {arms.roc_auc:.3f})."
        if arms.is_random
        else f"The treatment is said to be random, but a model tells the arms apart (ROC AUC {arms.roc_auc:.3f}): "
        + OBSERVATIONAL
    )
    findings = []
    for name, learner in LEARNERS.items():
        judgement = judge(out_of_fold(learner, x, treated, outcome, seed), treated, outcome, seed=seed)
        findings.append(
            Finding(name, design, judgement.verdict, caveat, judgement.effect, judgement.uplift, judgement.qini, arms)
        )
    return findings


def _observational(treated: np.ndarray, before: np.ndarray, arms: Overlap) -> Finding:
    spent = [float(np.nan_to_num(before[treated == arm]).mean()) for arm in (1, 0)]
    ratio = f"{spent[0] / spent[1]:.1f} times as much as" if spent[1] > 0 else "more than"
    caveat = (
        f"{OBSERVATIONAL} Treated customers had spent {ratio} the others before; a model tells the two apart with "
        f"ROC AUC {arms.roc_auc:.3f}, and {arms.outside:.0%} of the customers have nobody alike in the other arm."
    )
    return Finding("none", SEEN, "nothing is claimed: there is no randomised treatment", caveat, arms=arms)
