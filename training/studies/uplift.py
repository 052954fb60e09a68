"""Whom an offer changes: learners of the incremental effect, and how far it can be trusted.

n = customers, d = inputs. ``treated`` and ``outcome`` are 0 or 1 (n,), ``share`` is the probability of being treated.
An effect is P(outcome if treated) - P(outcome if not).

References: Künzel et al. (2019), "Metalearners for estimating heterogeneous treatment effects" (T, X); Nie and Wager
(2021), "Quasi-oracle estimation of heterogeneous treatment effects" (R); Jaskowski and Jaroszewicz (2012), "Uplift
modeling for clinical trial data" (class transformation); Radcliffe (2007), "Using control groups to target on predicted
lift" (Qini).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from training.evaluation.metrics import Interval

#: fits (inputs, treated, outcome) and returns a function from inputs to effects
Learner = Callable[[np.ndarray, np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]
_FOLDS = 5
_ROUNDS = 200
#: a probability of treatment beyond these has next to no one to compare with
_OVERLAP = (0.05, 0.95)
OBSERVATIONAL = (
    "The treatment was not given at random: customers with an offer differ from those without, and what is shown here "
    "mixes that difference with the effect of the offer. Use it to choose what to test, not to claim a gain."
)


def t_learner(x: np.ndarray, treated: np.ndarray, outcome: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Fit one outcome model per arm; the effect is their difference."""
    with_offer, without = (_probability(x[treated == arm], outcome[treated == arm]) for arm in (1, 0))
    return lambda new: with_offer(new) - without(new)


def x_learner(x: np.ndarray, treated: np.ndarray, outcome: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Impute each customer's effect with the other arm's model, regress both, and weigh them by the share treated."""
    arm = treated == 1
    with_offer, without = _probability(x[arm], outcome[arm]), _probability(x[~arm], outcome[~arm])
    of_treated = _line().fit(x[arm], outcome[arm] - without(x[arm]))
    of_others = _line().fit(x[~arm], with_offer(x[~arm]) - outcome[~arm])
    share = arm.mean()
    return lambda new: share * of_others.predict(new) + (1 - share) * of_treated.predict(new)


def r_learner(x: np.ndarray, treated: np.ndarray, outcome: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Regress what the outcome has left on what the treatment has left; the outcome model is cross-fitted."""
    left = outcome - cross_val_predict(_logit(), x, outcome, cv=_FOLDS, method="predict_proba")[:, 1]
    given = treated - treated.mean()
    fitted = _line().fit(x, left / given, ridge__sample_weight=given**2)
    return lambda new: np.asarray(fitted.predict(new))


def class_transformation(x: np.ndarray, treated: np.ndarray, outcome: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Fit one model of "responds as one would wish": bought with the offer, or did not without; arms weigh the same."""
    share = treated.mean()
    weight = np.where(treated == 1, 0.5 / share, 0.5 / (1 - share))
    fitted = _logit().fit(x, treated == outcome, logisticregression__sample_weight=weight)
    return lambda new: 2 * fitted.predict_proba(new)[:, 1] - 1


LEARNERS: dict[str, Learner] = {
    "T-learner": t_learner,
    "X-learner": x_learner,
    "R-learner": r_learner,
    "class transformation": class_transformation,
}


def out_of_fold(learner: Learner, x: np.ndarray, treated: np.ndarray, outcome: np.ndarray, seed: int) -> np.ndarray:
    """Return effects (n,) of customers that the learner has not seen, by folds that keep arms and outcomes balanced."""
    effect = np.zeros(len(x))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    for seen, held in folds.split(x, 2 * treated + outcome):
        effect[held] = learner(x[seen], treated[seen], outcome[seen])(x[held])
    return effect


def uplift_at(effect: np.ndarray, treated: np.ndarray, outcome: np.ndarray, share: float) -> float:
    """Return the difference of the arms' outcomes among the ``share`` of customers with the highest effects."""
    best = np.argsort(-effect, kind="stable")[: round(share * len(effect))]
    arm = treated[best] == 1
    if arm.all() or not arm.any():
        return float("nan")
    return float(outcome[best][arm].mean() - outcome[best][~arm].mean())


def qini(effect: np.ndarray, treated: np.ndarray, outcome: np.ndarray) -> float:
    """Return the area between the Qini curve and the diagonal: extra outcomes per customer, averaged over depths."""
    order = np.argsort(-effect, kind="stable")
    t, y = treated[order], outcome[order]
    control = np.maximum(np.cumsum(1 - t), 1)
    curve = np.cumsum(y * t) - np.cumsum(y * (1 - t)) * np.cumsum(t) / control
    line = curve[-1] * np.arange(1, len(t) + 1) / len(t)
    return float((curve - line).mean() / len(t))


@dataclass(frozen=True)
class Judgement:
    """``uplift`` in the best ``share``, ``gain`` over the mean effect of all, ``qini``, and what follows from them."""

    share: float
    uplift: Interval
    effect: Interval
    gain: Interval
    qini: Interval
    verdict: str


def judge(
    effect: np.ndarray, treated: np.ndarray, outcome: np.ndarray, share: float = 0.3, rounds: int = 500, seed: int = 1
) -> Judgement:
    """Judge effects of held-out customers, with 95 % bootstrap intervals over customers.

    Args:
        effect: predicted by a model that has not seen these customers.
        treated: 0 or 1.
        outcome: 0 or 1.
        share: depth of the list.
        rounds: resamples.
        seed: of the resampling.
    """
    everyone, rng = np.ones(len(effect)), np.random.default_rng(seed)

    def figures(rows: np.ndarray) -> tuple[float, float, float, float]:
        e, t, y = effect[rows], treated[rows], outcome[rows]
        best, mean = uplift_at(e, t, y, share), uplift_at(everyone[rows], t, y, 1.0)
        return best, mean, best - mean, qini(e, t, y)

    value = figures(np.arange(len(effect)))
    drawn = np.array([figures(np.sort(rng.integers(0, len(effect), len(effect)))) for _ in range(rounds)])
    low, high = np.nanquantile(drawn, [0.025, 0.975], axis=0)
    best, mean, gain, area = (Interval(value[n], float(low[n]), float(high[n])) for n in range(4))
    if gain.low > 0 and area.low > 0:
        verdict = f"target the best {share:.0%}: the offer does {gain.value:+.3f} more for them than for all"
    else:
        verdict = f"nothing to target here: it is not shown that the best {share:.0%} respond more than anybody"
    return Judgement(share, best, mean, gain, area, verdict)


@dataclass(frozen=True)
class Overlap:
    """How alike the arms are: ``roc_auc`` of telling them apart (0.5: alike), ``outside``: share without a match.

    ``chance``: an ROC AUC that arms drawn at random reach in one of forty cases (Mann and Whitney 1947).
    """

    roc_auc: float
    outside: float
    chance: float

    @property
    def is_random(self) -> bool:
        """Return whether no model separates the arms better than chance does."""
        return self.roc_auc < self.chance


def overlap(x: np.ndarray, treated: np.ndarray) -> Overlap:
    """Check whether treated customers and the rest can be compared: no model separates them on held-out folds."""
    chance = cross_val_predict(_logit(), x, treated, cv=_FOLDS, method="predict_proba")[:, 1]
    outside = (chance < _OVERLAP[0]) | (chance > _OVERLAP[1])
    given, control = int(np.sum(treated)), int(np.sum(1 - treated))
    by_chance = 0.5 + 1.96 * np.sqrt((given + control + 1) / (12 * given * control))
    return Overlap(float(roc_auc_score(treated, chance)), float(outside.mean()), float(by_chance))


def _probability(x: np.ndarray, outcome: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    fitted = _logit().fit(x, outcome)
    return lambda new: np.asarray(fitted.predict_proba(new)[:, 1])


def _logit() -> Pipeline:
    return clone(make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500)))


def _line() -> Pipeline:
    return clone(make_pipeline(StandardScaler(), Ridge(alpha=100.0)))
