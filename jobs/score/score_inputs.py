"""What a night is scored with, beside its features: the pinned models, and who was contacted of late."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from conf.errors import DataError
from conf.settings.schema import Settings
from jobs.database import database
from scoring.predictions import Packed
from training.models.artifacts import checked

MODELS = (
    "churn",
    "own_rhythm",
    "value",
    "survival",
    "offer_ranker",
    "discovery_ranker",
    "coupon_response",
    "coupon_scope",
    "characteristics",
    "next_action",
)
#: what the names of the propensities' models begin with
PROPENSITY = "propensity_"


def scoring_pins(pins: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Keep the models that score: the champions, and for characteristics the network even while it is a challenger."""
    asked = [name for name in pins if name.startswith(PROPENSITY) and ":" not in name]
    chosen = {name: pins[name] for name in (*MODELS, *asked) if name in pins}
    network = pins.get("characteristics:challenger")
    return chosen | ({"characteristics": network} if network else {})


def load_models(pins: dict[str, dict[str, Any]], day: date) -> dict[str, Packed]:
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
    return {
        name: Packed(checked(pin["uri"].removeprefix("file://"), pin["sha256"])) for name, pin in sorted(pins.items())
    }


def deliveries(settings: Settings, day: date) -> list[dict[str, str | None]]:
    """Return who was in the segment files of the last nights, with the offer and the day it counts from.

    What was delivered in the windows of the policy comes to the driver: a few columns of the contacted customers.
    """
    window = max(settings.policy.contact_window_days, settings.policy.repeat_days)
    found: list[dict[str, str | None]] = []
    for back in range(1, window + 1):
        night = day - timedelta(days=back)
        if database.count(settings.database, "contacts", ds=night):
            found += [
                {name: row[name] for name in ("customer_id", "offer_id", "contacted_on")}
                for row in database.rows(settings.database, "contacts", ds=night)
            ]
    return found
