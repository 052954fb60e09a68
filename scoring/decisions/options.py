"""What is considered for whom: actions and their offers as a matrix of customers and places.

A place is an action's first, second, ... offer for a customer; an action without offers has one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow.dataset as pads

from conf.settings.decisions import Action, Decisions
from scoring.expressions import values as values_of

CONTROL, NOTHING_ADDED, NOT_FOR, NO_OFFER = "control group", "adds nothing", "not for this customer", "no offer"


@dataclass(frozen=True)
class Options:
    """Customers (n) by places (a), customers sorted by key; arrays are (n, a).

    ``value``: what the contact adds less its cost; ``gate``: why it is ruled out, empty where it is not.
    """

    keys: np.ndarray
    places: tuple[tuple[Action, int], ...]
    offer: np.ndarray
    probability: np.ndarray
    anyway: np.ndarray
    value: np.ndarray
    cost: np.ndarray
    gate: np.ndarray


def options(candidates: pd.DataFrame, scores: pads.Dataset, decisions: Decisions) -> Options:
    """Lay out what is considered for every customer.

    Args:
        candidates: ``customer_id``, ``offer_id``, ``kind`` (repeat, discovery or coupon), ``probability``, ``anyway``,
            ``adds`` (margin the contact adds, discount taken off), ``discount_cost`` and ``removed_by``.
        scores: ``CUSTOMER_SCORES``.
        decisions: the actions.

    Raises:
        ConfigError: an expression of an action is no plain SQL over the columns of ``scores``.
    """
    people = scores.to_table(columns=["customer_id", "treatment", "contactable", "blocked_by"]).to_pandas()
    people = people.sort_values("customer_id", ignore_index=True)
    keys = people["customer_id"].to_numpy(object)
    places = tuple((action, place) for action in decisions.actions for place in range(1, action.places + 1))
    shape = (len(keys), len(places))
    out = Options(
        keys, places, np.full(shape, None, object), np.full(shape, np.nan), np.full(shape, np.nan),
        np.full(shape, -np.inf), np.zeros(shape), np.full(shape, "", object),
    )  # fmt: skip
    for action in decisions.actions:
        _fill(out, action, candidates, scores)
    blocked = people["blocked_by"].fillna("not contactable").to_numpy(object)
    blocked = np.where(people["contactable"].to_numpy(bool), "", blocked)
    blocked = np.where(people["treatment"].to_numpy(object) == "control", CONTROL, blocked)
    out.gate[:] = np.where(blocked[:, None] != "", blocked[:, None], out.gate)
    out.gate[:] = np.where((out.gate == "") & ~(out.value > 0), NOTHING_ADDED, out.gate)
    return out


def _fill(out: Options, action: Action, candidates: pd.DataFrame, scores: pads.Dataset) -> None:
    """Fill the places of one action."""
    first = [one.name for one, _ in out.places].index(action.name)
    columns = slice(first, first + action.places)
    out.gate[:, columns] = NO_OFFER
    if action.adds is not None:
        text = values_of(action.adds, scores, f"conf/decisions.yml, action {action.name}, adds")["value"].to_pandas()
        added = pd.to_numeric(text, errors="coerce").to_numpy(float) - action.cost
        out.value[:, first] = np.where(np.isfinite(added), added, -np.inf)
        out.cost[:, first] = action.cost
        out.gate[:, first] = ""
    else:
        mine = candidates[candidates["kind"] == action.offers].assign(_out=candidates["removed_by"].notna())
        mine = mine.sort_values(
            ["customer_id", "_out", "adds", "offer_id"], ascending=[True, True, False, True], ignore_index=True
        )
        place = mine.groupby("customer_id").cumcount().to_numpy()
        row = np.searchsorted(out.keys, mine["customer_id"].to_numpy(object)) if len(mine) else np.empty(0, int)
        kept = place < action.places
        mine, at = mine[kept], (row[kept], first + place[kept])
        out.offer[at] = mine["offer_id"].to_numpy(object)
        out.probability[at], out.anyway[at] = mine["probability"], mine["anyway"]
        out.value[at] = mine["adds"] - action.cost
        out.cost[at] = mine["discount_cost"] + action.cost
        out.gate[at] = mine["removed_by"].fillna("").to_numpy(object)
    fits = (
        values_of(action.where, scores, f"conf/decisions.yml, action {action.name}, where")["value"].to_pandas()
        == "true"
    )
    out.gate[~fits.to_numpy(), columns] = NOT_FOR
