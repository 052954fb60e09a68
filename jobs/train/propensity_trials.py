"""The trials of the configured propensities: one frame per window serves all labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import Any

import pandas as pd

from conf.settings.propensities import Amount, Propensities, Propensity, Purchase, Return, is_recorded
from conf.settings.schema import Models, NetworkTraining
from jobs.train.training_sets import TrainingSets
from jobs.train.trials import Task, Trial, enough
from training.evaluation.fitted import Candidate, judge_binary
from training.evaluation.leakage import Split, split
from training.networks.loop import Checkpoint
from training.propensity import amounts, propensity
from training.propensity.amounts import AmountConfig
from training.propensity.propensity import HISTORY_INPUTS, LABEL, LISTS, PROFILE_INPUTS, SERIES_INPUTS, LadderConfig

_KEYS = ("customer_id", "label", "bought", "spent")


class Frames:
    """The wide frame of each window of one training, built when it is first asked for."""

    def __init__(self, propensities: Propensities) -> None:
        """Keep what is asked."""
        self.labels = list(propensities.scopes)
        #: labels that are inputs of the others' models; an amount repeats what a purchase in its scope tells
        self.hints = [each.label for each in propensities.labels if isinstance(each, Purchase)]
        self.networked = [each for each in propensities.labels if isinstance(each, Purchase | Return)]
        self._kept: dict[date, pd.DataFrame] = {}
        self._liked: list[str] | None = None
        self._heads: dict[str, Candidate] = {}

    def liked(self, sets: TrainingSets) -> list[str]:
        """Return the departments that are inputs, settled on the newest training window."""
        if self._liked is None:
            customers = sets.read("customers", sets.windows.training[0])
            self._liked = propensity.departments(customers["likes"])
        return self._liked

    def of(self, sets: TrainingSets, day: date) -> pd.DataFrame:
        """Return the wide frame of a window, with what came of it."""
        if day not in self._kept:
            self._kept[day] = self._built(sets, day)
        return self._kept[day]

    def columns(self, liked: Sequence[str]) -> list[str]:
        """Return all that the network of all labels takes."""
        own = [f"{label}:{name}" for label in self.hints for name in HISTORY_INPUTS]
        return [*SERIES_INPUTS, *PROFILE_INPUTS, *own, *(f"likes:{department}" for department in liked)]

    def heads(self, sets: TrainingSets, network: NetworkTraining) -> dict[str, Candidate]:
        """Return each label's head of the network of all labels, which is fitted when first asked for."""
        if not self._heads:
            from training.propensity import multitask

            windows, columns = sets.windows, self.columns(self.liked(sets))
            train = pd.concat([self.of(sets, day) for day in windows.training], ignore_index=True)
            held, sizes = self.of(sets, windows.validation), multitask.SIZES.configured(network)
            checkpoint = Checkpoint(sets.checkpoints, "propensities", "")
            self._heads = multitask.heads(train, held, self.networked, columns, sizes, checkpoint)
        return self._heads

    def _built(self, sets: TrainingSets, day: date) -> pd.DataFrame:
        customers = sets.read("customers", day)
        flags = [name for name in customers.columns if name.startswith("recorded:")]
        kept = customers[["customer_id", "returned", *flags, *PROFILE_INPUTS, *LISTS]]
        purchase_series = sets.purchase_series(day)[["customer_id", *SERIES_INPUTS]]
        base = kept.merge(purchase_series, "left", on="customer_id").assign(as_of=day)
        history = sets.labels(day) if self.labels else pd.DataFrame([], columns=[*_KEYS, *HISTORY_INPUTS], dtype=object)
        row = pd.Index(base["customer_id"]).get_indexer(pd.Index(history["customer_id"]))
        frame = propensity.wide(base, row[row >= 0], history[row >= 0], self.labels, self.liked(sets))
        bought = history[history["bought"].astype(bool)].groupby("label")["customer_id"]
        buyers = {label: set(each) for label, each in bought}
        truth: dict[str, Any] = {
            f"bought:{label}": base["customer_id"].isin(buyers.get(label, set())) for label in self.labels
        }
        spent = {label: each.set_index("customer_id")["spent"] for label, each in history.groupby("label")}
        for label in self.labels:
            amounts = base["customer_id"].map(spent[label]) if label in spent else pd.Series(0.0, index=base.index)
            truth[f"spent:{label}"] = amounts.fillna(0.0)
        return pd.concat([frame, pd.DataFrame(truth, index=frame.index)], axis=1)


def propensity_tasks(propensities: Propensities, frames: Frames) -> dict[str, Task]:
    """Return a task for each label, and the network's that challenges it every week; they share their frames."""
    metric = "log_likelihood"
    found = {
        each.model: Task(
            each.model,
            "labels",
            "deviance" if isinstance(each, Amount) else metric,
            tuple(propensity.inputs(each, frames.hints, ())),
            partial(_trial, frames, each),
        )
        for each in propensities.labels
    }
    inputs = tuple(frames.columns(()))
    challengers = {
        f"{each.model}_network": Task(
            f"{each.model}_network", "labels", metric, inputs, partial(_network_trial, frames, each), True, each.model
        )
        for each in frames.networked
    }
    return found | challengers


def windows_of(
    frames: Frames, sets: TrainingSets, asked: Propensity
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the label's rows to train on, to choose on and to judge on; without a horizon, of different customers."""
    days = sets.windows
    if is_recorded(asked):
        return propensity.folds(propensity.rows(frames.of(sets, days.gate), asked))
    gate, validation, *training = (propensity.rows(frames.of(sets, day), asked) for day in days.all)
    return pd.concat(training, ignore_index=True), validation, gate


def _trial(frames: Frames, asked: Propensity, sets: TrainingSets, models: Models) -> Trial:
    if isinstance(asked, Amount):
        return _amount_trial(frames, asked, sets)

    def ladder(train: pd.DataFrame, validation: pd.DataFrame) -> Candidate:
        columns = propensity.inputs(asked, frames.hints, frames.liked(sets))
        return propensity.fit(asked.model, train, validation, columns, LadderConfig())

    return _judged(frames, asked, sets, ladder)


def _amount_trial(frames: Frames, asked: Amount, sets: TrainingSets) -> Trial:
    train, validation, gate = windows_of(frames, sets, asked)
    enough("anything", *(part.assign(anything=part[LABEL] > 0) for part in (train, validation, gate)))
    columns = propensity.inputs(asked, frames.hints, frames.liked(sets))
    return Trial(
        propensity.with_bands(amounts.baseline(asked, train), validation),
        propensity.with_bands(amounts.fit(asked.model, train, validation, columns, AmountConfig()), validation),
        lambda model: amounts.judge(model, gate),
        declared=tuple(f"likes:{department}" for department in frames.liked(sets)),
        split=_split(sets, asked, train, validation, gate),
    )


def _split(
    sets: TrainingSets, asked: Propensity, train: pd.DataFrame, validation: pd.DataFrame, gate: pd.DataFrame
) -> Split:
    """Tell of which days the parts are, or of a label without a horizon that their customers are others."""
    return split(train, gate, sets.windows.horizon.days, validation, by_customer=is_recorded(asked))


def _network_trial(frames: Frames, asked: Propensity, sets: TrainingSets, models: Models) -> Trial:
    return _judged(frames, asked, sets, lambda train, validation: frames.heads(sets, models.network)[asked.label])


def _judged(
    frames: Frames,
    asked: Propensity,
    sets: TrainingSets,
    fit: Callable[[pd.DataFrame, pd.DataFrame], Candidate],
) -> Trial:
    """Hold what ``fit`` makes of training and validation rows against the label's baseline."""
    train, validation, gate = windows_of(frames, sets, asked)
    enough(LABEL, train, validation, gate)
    return Trial(
        propensity.with_bands(propensity.baseline(asked, train), validation),
        propensity.with_bands(fit(train, validation), validation),
        lambda model: propensity.figures(judge_binary(model, gate, LABEL)),
        declared=tuple(f"likes:{department}" for department in frames.liked(sets)),
        split=_split(sets, asked, train, validation, gate),
    )
