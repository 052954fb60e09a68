"""Who is held against whom when a model is considered, each as it would serve.

Most models serve alone. The offer ranker does not: what a customer never bought is ranked by the discovery ranker, and
his list mixes both by probability. So the discovery ranker is decided first, and challenger, champion and baselines of
the offer ranker are judged by the lists that each would serve beside it. Their own lists stand beside, under their bare
names: a challenger's own predictions are searched for leaks, which the mixture would blur, and simple methods by
themselves have to be beaten too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from jobs.train.model_comparison import CHAMPION_METHOD
from jobs.train.trials import Trial
from scoring.offers.next_best_offers import HASH
from training.evaluation.fitted import Judged
from training.models.artifacts import Model, digest


@dataclass(frozen=True)
class Beside:
    """The model that serves beside another."""

    model: Model

    @property
    def version(self) -> str:
        """Its ``name:hash``, as rows of scores name it."""
        return f"{self.model.meta.name}:{digest(self.model.to_bytes())[:HASH]}"

    @property
    def suffix(self) -> str:
        """What the names of methods that are judged beside it end with."""
        return f" + {self.model.meta.name.replace('_', ' ')}"


@dataclass(frozen=True)
class Contest:
    """How all did on the gate window.

    Attributes:
        challenger: as it would serve.
        own: the challenger's own predictions; the same where it serves alone.
        rivals: method -> the baseline as it would serve in the challenger's place.
        models: method -> that baseline.
        alone: family -> the baseline by itself; empty where it would serve alone.
        champion: the standing one as it serves; None where there is none.
        beside: the model that serves beside all of them, if any.
    """

    challenger: Judged
    own: Judged
    rivals: Mapping[str, Judged]
    models: Mapping[str, Model]
    alone: Mapping[str, Judged] = field(default_factory=dict)
    champion: Judged | None = None
    beside: Beside | None = None

    @property
    def further(self) -> dict[str, pd.Series]:
        """The gate's metric of what has to be beaten beside the rivals, and would not take the challenger's place."""
        champion = {} if self.champion is None else {CHAMPION_METHOD: self.champion}
        return {name: each.each for name, each in (champion | dict(self.alone)).items()}

    def by_itself(self, method: str) -> Judged:
        """Return how a rival does by its own predictions."""
        return self.alone.get(self.models[method].meta.family, self.rivals[method])

    def methods(self, family: str) -> dict[str, Judged]:
        """Return all by the names that the comparison shows; ``family`` is the challenger's."""
        champion = {} if self.champion is None else {CHAMPION_METHOD: self.champion}
        suffix = "" if self.beside is None else self.beside.suffix
        own = {} if self.beside is None else {f"{family} (challenger)": self.own}
        return {f"{family}{suffix} (challenger)": self.challenger, **own, **champion, **self.rivals, **self.alone}


def contest(trial: Trial, champion: Model | None, beside: Beside | None) -> Contest:
    """Judge challenger, champion and baselines on the gate window.

    Args:
        trial: of the model.
        champion: the standing one, if it can be compared.
        beside: the model that serves beside it, if any.
    """
    given = () if beside is None else (beside.model,)
    suffix = "" if beside is None else beside.suffix
    challenger = trial.challenger.model
    own = trial.judge(challenger)
    models = {each.model.meta.family: each.model for each in (trial.baseline, *trial.others)}
    return Contest(
        own if beside is None else trial.judge(challenger, *given),
        own,
        {f"{family}{suffix}": trial.judge(model, *given) for family, model in models.items()},
        {f"{family}{suffix}": model for family, model in models.items()},
        {} if beside is None else {family: trial.judge(model) for family, model in models.items()},
        None if champion is None else trial.judge(champion, *given),
        beside,
    )
