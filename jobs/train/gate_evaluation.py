"""Evaluates challenger, champion and baselines on the gate window, as they would serve.

Most models serve alone. The offer ranker does not: what a customer never bought is ranked by the discovery ranker, and
the customer's list mixes both by probability. So the discovery ranker is decided first, and it is the companion of
challenger, champion and baselines of the offer ranker: they are evaluated by the lists that they would serve with it.
Their own lists are evaluated too, under their bare names: a challenger's own predictions are searched for leaks, which
the mixture would blur, and simple methods by themselves have to be beaten too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from jobs.train.model_comparison import CHAMPION_METHOD
from scoring.offers.next_best_offers import HASH
from training.contenders import Contenders
from training.evaluation.fitted import Evaluation
from training.models.artifacts import Model, digest


@dataclass(frozen=True)
class Companion:
    """The model that is served with another."""

    model: Model

    @property
    def version(self) -> str:
        """Its ``name:hash``, as rows of scores name it."""
        return f"{self.model.meta.name}:{digest(self.model.to_bytes())[:HASH]}"

    @property
    def suffix(self) -> str:
        """What the names of methods that are evaluated with it end with."""
        return f" + {self.model.meta.name.replace('_', ' ')}"


@dataclass(frozen=True)
class GateEvaluation:
    """How all did on the gate window.

    Attributes:
        challenger: as it would serve.
        own: the challenger's own predictions; the same where it serves alone.
        rivals: method -> the baseline as it would serve in the challenger's place.
        models: method -> that baseline.
        alone: family -> the baseline by itself; empty where it would serve alone.
        champion: the standing one as it serves; None where there is none.
        companion: the model that is served with all of them, if any.
    """

    challenger: Evaluation
    own: Evaluation
    rivals: Mapping[str, Evaluation]
    models: Mapping[str, Model]
    alone: Mapping[str, Evaluation] = field(default_factory=dict)
    champion: Evaluation | None = None
    companion: Companion | None = None

    @property
    def further(self) -> dict[str, pd.Series]:
        """The gate's metric of what has to be beaten too, and would not take the challenger's place."""
        champion = {} if self.champion is None else {CHAMPION_METHOD: self.champion}
        return {name: evaluation.by_customer for name, evaluation in (champion | dict(self.alone)).items()}

    def by_itself(self, method: str) -> Evaluation:
        """Return how a rival does by its own predictions."""
        return self.alone.get(self.models[method].meta.family, self.rivals[method])

    def methods(self, family: str) -> dict[str, Evaluation]:
        """Return all by the names that the comparison shows; ``family`` is the challenger's."""
        champion = {} if self.champion is None else {CHAMPION_METHOD: self.champion}
        suffix = "" if self.companion is None else self.companion.suffix
        own = {} if self.companion is None else {f"{family} (challenger)": self.own}
        return {f"{family}{suffix} (challenger)": self.challenger, **own, **champion, **self.rivals, **self.alone}


def gate_evaluation(contenders: Contenders, champion: Model | None, companion: Companion | None) -> GateEvaluation:
    """Evaluate challenger, champion and baselines on the gate window.

    Args:
        contenders: of the model.
        champion: the standing one, if it can be compared.
        companion: the model that is served with it, if any.
    """
    given = () if companion is None else (companion.model,)
    suffix = "" if companion is None else companion.suffix
    evaluate, challenger = contenders.evaluate, contenders.challenger.model
    own = evaluate(challenger)
    models = {fitted.model.meta.family: fitted.model for fitted in (contenders.baseline, *contenders.further)}
    return GateEvaluation(
        own if companion is None else evaluate(challenger, *given),
        own,
        {f"{family}{suffix}": evaluate(model, *given) for family, model in models.items()},
        {f"{family}{suffix}": model for family, model in models.items()},
        {} if companion is None else {family: evaluate(model) for family, model in models.items()},
        None if champion is None else evaluate(champion, *given),
        companion,
    )
