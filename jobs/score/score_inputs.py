"""What a night is scored with besides its features: the pinned models, and who was contacted of late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from conf.errors import DataError
from conf.settings.propensities import Propensities
from conf.settings.schema import Settings
from jobs.database import database
from scoring.predictions import Packed
from training import registry
from training.models.artifacts import checked


class PinnedModels(Mapping[str, Packed]):
    """The models of a night by name, which remembers those that were asked for."""

    def __init__(self, models: dict[str, Packed]) -> None:
        """Hold the models."""
        self._models = models
        self._asked: set[str] = set()

    def __getitem__(self, name: str) -> Packed:
        """Return a model."""
        self._asked.add(name)
        return self._models[name]

    def __contains__(self, name: object) -> bool:
        """Return whether there is such a model; that alone does not count as asking for it."""
        return name in self._models

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._models)

    def __len__(self) -> int:
        """Return the number of models."""
        return len(self._models)

    def check_all_applied(self) -> None:
        """Refuse a night that leaves a model unused: trained and promoted, but never scored.

        Raises:
            DataError: by the names of the models.
        """
        if unused := sorted(self._models.keys() - self._asked):
            raise DataError(
                f"model(s) {', '.join(unused)} serve this night and nothing was scored with them; "
                "apply them in the stage score, or take them out of training/registry.py"
            )


def scoring_pins(pins: dict[str, dict[str, Any]], propensities: Propensities) -> dict[str, dict[str, Any]]:
    """Keep the models that score: the champions, and a challenger where the declaration wants it served.

    Raises:
        DataError: a model is pinned that the registry of models does not declare.
    """
    served = {spec.name: spec for spec in registry.specs() if spec.challenges is None}
    names = registry.served_names(propensities)
    champions = [name for name in pins if name not in {registry.CHALLENGER_OF.format(other) for other in names}]
    if unknown := sorted(set(champions) - set(names)):
        raise DataError(
            f"model(s) {', '.join(unknown)} are pinned and no model of that name is declared; run `nbo train` again"
        )
    chosen = {name: pins[name] for name in names if name in pins}
    for name, spec in served.items():
        if spec.serves_challenger and (challenger := pins.get(registry.CHALLENGER_OF.format(name))):
            chosen[name] = challenger
    return chosen


def load_models(pins: dict[str, dict[str, Any]], day: date) -> PinnedModels:
    """Return the pinned models by name, every byte checked.

    Raises:
        DataError: a model is missing, changed, or has seen days after ``day``.
    """
    for name, pin in sorted(pins.items()):
        if str(pin["trained_through"]) > str(day):
            raise DataError(
                f"model {name} has seen days up to {pin['trained_through']} and may not score {day}; "
                f"run `nbo train --ds {day}`"
            )
    models = {
        name: Packed(checked(pin["uri"].removeprefix("file://"), pin["sha256"])) for name, pin in sorted(pins.items())
    }
    return PinnedModels(models)


def deliveries(settings: Settings, day: date) -> list[dict[str, str | None]]:
    """Return who was in the segment files of the last nights, with the offer and the day it counts from.

    What was delivered in the windows of the policy comes to the driver: a few columns of the contacted customers.
    """
    window = max(settings.policy.contact_window_days, settings.policy.repeat_days)
    rows: list[dict[str, str | None]] = []
    for back in range(1, window + 1):
        night = day - timedelta(days=back)
        if database.count(settings.database, "contacts", ds=night):
            rows += [
                {name: row[name] for name in ("customer_id", "offer_id", "contacted_on")}
                for row in database.rows(settings.database, "contacts", ds=night)
            ]
    return rows
