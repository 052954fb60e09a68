"""The wide frames that all propensities of one training share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import pandas as pd

from conf.settings.propensities import Propensities, Purchase, Return
from conf.settings.schema import NetworkTraining
from training.evaluation.fitted import FittedModel
from training.networks.loop import Checkpoint
from training.propensity.inputs import (
    HISTORY_INPUTS,
    LISTS,
    PROFILE_INPUTS,
    SERIES_INPUTS,
    departments,
    wide,
)
from training.sets import TrainingSets

_KEYS = ("customer_id", "label", "bought", "spent")


class WideFrames:
    """The wide frame of each window of one training, built when it is first asked for."""

    def __init__(self, propensities: Propensities) -> None:
        """Keep the labels."""
        self.labels = list(propensities.scopes)
        #: labels that are inputs of the models of other labels; an amount repeats what a purchase in its scope says
        self.hints = [label.label for label in propensities.labels if isinstance(label, Purchase)]
        self.networked = [label for label in propensities.labels if isinstance(label, Purchase | Return)]
        self._kept: dict[date, pd.DataFrame] = {}
        self._liked: list[str] | None = None
        self._heads: dict[str, FittedModel] = {}

    def liked(self, sets: TrainingSets) -> list[str]:
        """Return the departments that are inputs, settled on the newest training window."""
        if self._liked is None:
            customers = sets.read("customers", sets.windows.training[0])
            self._liked = departments(customers["likes"])
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

    def heads(self, sets: TrainingSets, network: NetworkTraining) -> dict[str, FittedModel]:
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
        series = sets.purchase_series(day)[["customer_id", *SERIES_INPUTS]]
        base = kept.merge(series, "left", on="customer_id").assign(as_of=day)
        history = sets.labels(day) if self.labels else pd.DataFrame([], columns=[*_KEYS, *HISTORY_INPUTS], dtype=object)
        row = pd.Index(base["customer_id"]).get_indexer(pd.Index(history["customer_id"]))
        frame = wide(base, row[row >= 0], history[row >= 0], self.labels, self.liked(sets))
        bought = history[history["bought"].astype(bool)].groupby("label")["customer_id"]
        buyers = {label: set(ids) for label, ids in bought}
        truth: dict[str, Any] = {
            f"bought:{label}": base["customer_id"].isin(buyers.get(label, set())) for label in self.labels
        }
        spent = {label: sums.set_index("customer_id")["spent"] for label, sums in history.groupby("label")}
        for label in self.labels:
            amounts = base["customer_id"].map(spent[label]) if label in spent else pd.Series(0.0, index=base.index)
            truth[f"spent:{label}"] = amounts.fillna(0.0)
        return pd.concat([frame, pd.DataFrame(truth, index=frame.index)], axis=1)
