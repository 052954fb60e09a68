"""Decides whom to contact with what, and writes down why: for every customer and everything that was considered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from conf.settings.decisions import DecisionLimit, Decisions
from scoring.decisions.allocation import Allocation, allocate
from scoring.decisions.options import Options
from scoring.decisions.prices import charges
from scoring.decisions.problem import Group, Limit, Problem

NOTHING = "nothing"
ALL_DECISIONS = "all decisions"
#: decimals of what is published
PLACES = 6
#: what a value has to be above the others to be chosen
STEP = 1e-6


@dataclass(frozen=True)
class Decided:
    """The rows of ``DECISIONS``, ``DECISION_LEDGER`` and ``DECISION_LIMITS``."""

    decisions: pd.DataFrame
    ledger: pd.DataFrame
    limits: pd.DataFrame


def decide(considered: Options, decisions: Decisions, day: date) -> Decided:
    """Allocate the actions and explain every one.

    Args:
        considered: from :func:`scoring.decisions.options.options`.
        decisions: how many a customer gets, and the limits.
        day: the night.
    """
    problem = night_problem(considered, decisions)
    result = allocate(problem, considered.keys)
    ledger = _ledger(considered, problem, result, day)
    return Decided(_decisions(ledger, considered, day), ledger, _limits(result, day))


def night_problem(considered: Options, decisions: Decisions) -> Problem:
    """Return the problem of the night; one action of a kind at most, as many in all as the settings allow."""
    n, a = considered.value.shape
    names = [action.name for action, _ in considered.places]
    groups = (
        Group("all actions", tuple(range(a))),
        *(Group(name, tuple(np.flatnonzero(np.array(names) == name).tolist())) for name in dict.fromkeys(names)),
    )
    allowance = np.ones((n, len(groups)), np.int8)
    allowance[:, 0] = decisions.per_customer
    return Problem(
        np.where(considered.gate == "", considered.value, -np.inf).astype(np.float32),
        considered.cost.astype(np.float32),
        np.zeros(n, np.int32),
        groups,
        allowance,
        tuple(_limit(limit, names, n) for limit in decisions.limits),
    )


def _limit(limit: DecisionLimit, names: list[str], customers: int) -> Limit:
    actions = tuple(place for place, name in enumerate(names) if not limit.actions or name in limit.actions)
    sign = 1.0 if limit.least is None else -1.0
    most = limit.most if limit.most is not None else (limit.most_share or 0.0) * customers
    count, cost = (sign, 0.0) if limit.of == "contacts" else (0.0, sign)
    bound = most if limit.least is None else -limit.least
    return Limit(limit.name, bound, actions, count=count, cost=cost, report_only=limit.report_only)


def _ledger(considered: Options, problem: Problem, result: Allocation, day: date) -> pd.DataFrame:
    """Return a row for every customer and place that has an action, ruled out or not."""
    net, dearest = _net(problem, result)
    n, a = net.shape
    open_ = considered.gate == ""
    gets = np.where(result.chosen, net, np.inf)
    weakest, least = gets.argmin(1), gets.min(1)
    names = np.array([action.name for action, _ in considered.places], object)
    full = result.chosen.sum(1) >= problem.allowance[:, 0]
    same = np.zeros((n, a), bool)  # another offer of the same action is chosen
    instead = np.tile(weakest[:, None], (1, a))
    for name in dict.fromkeys(names):
        columns = np.flatnonzero(names == name)
        some = result.chosen[:, columns].any(1)
        same[np.ix_(some, columns)] = True
        instead[np.ix_(some, columns)] = columns[result.chosen[np.ix_(some, columns)].argmax(1)][:, None]
    threshold = np.where(same, np.take_along_axis(gets, instead, 1), np.where(full, least, 0.0)[:, None])
    threshold = np.maximum(np.where(np.isfinite(threshold), threshold, 0.0), 0.0)
    lost = open_ & ~result.chosen
    bound = lost & (net <= 0)
    displaced = lost & ~bound & (same | full[:, None])
    bound |= lost & ~displaced
    limits = np.array([*(use.limit.name for use in result.uses), "limits together"], object)
    seen = considered.gate != "no offer"
    rows, columns = np.nonzero(seen)
    pick = rows, columns

    def where(flags: np.ndarray, text: np.ndarray) -> np.ndarray:
        return np.where(flags[pick], text, np.array(None, object))

    return pd.DataFrame(
        {
            "ds": day,
            "customer_id": considered.keys[rows],
            "action": names[columns],
            "place": np.array([place for _, place in considered.places], np.int32)[columns],
            "offer_id": considered.offer[pick],
            "probability": considered.probability[pick].round(PLACES),
            "anyway": considered.anyway[pick].round(PLACES),
            "value": np.where(np.isfinite(considered.value[pick]), considered.value[pick], np.nan).round(PLACES),
            "decided": result.chosen[pick],
            "chosen_probability": result.chosen[pick].astype(float),
            "gate": where(~open_, considered.gate[pick]),
            "bound_by": where(bound, limits[dearest[pick]]),
            "displaced_by": where(displaced, names[instead[pick]]),
            "missing_value": np.where(lost[pick], np.maximum(threshold[pick] - net[pick], 0) + STEP, np.nan),
        }
    )


def _net(problem: Problem, result: Allocation) -> tuple[np.ndarray, np.ndarray]:
    """Return values (n, a) after the charges of the limits, and the number of the limit that charges most."""
    rules = problem.weights(problem.limits)
    count, cost, value = charges(result.prices, rules)
    values, k = problem.values.astype(float), problem.segment
    charge = count[k] + cost[k] * problem.costs + value[k] * np.where(np.isfinite(values), values, 0.0)
    most = np.zeros(values.shape)
    dearest = np.full(values.shape, len(problem.limits))
    for row, price in enumerate(result.prices):
        own = price * (rules.count[row][k] + rules.cost[row][k] * problem.costs)
        dearest = np.where(own > most, row, dearest)
        most = np.maximum(most, own)
    return values - charge, dearest


def _decisions(ledger: pd.DataFrame, considered: Options, day: date) -> pd.DataFrame:
    """Return what is decided, with reasons; a customer without an action gets the action nothing."""
    chosen = ledger[ledger["decided"]].sort_values(["customer_id", "value", "action"], ascending=[True, False, True])
    chosen = chosen.assign(position=(chosen.groupby("customer_id").cumcount() + 1).astype("int32"))
    with_offer = chosen["offer_id"].notna()
    why = "it adds " + chosen["value"].astype(object).map("{:.2f}".format)
    bought = ": probability " + chosen["probability"].astype(object).map("{:.2f}".format)
    bought += ", and " + chosen["anyway"].astype(object).map("{:.2f}".format) + " to be bought anyway"
    chosen = chosen.assign(reason=why + bought.where(with_offer, " (assumed)"))
    rest = np.setdiff1d(considered.keys.astype(str), chosen["customer_id"].to_numpy(str))
    nothing = pd.DataFrame({"ds": day, "customer_id": rest.astype(object), "position": np.int32(1), "action": NOTHING})
    nothing["reason"] = nothing["customer_id"].map(_why_nothing(ledger)).fillna("nothing is offered to the customer")
    nothing["offer_id"], nothing["value"] = None, 0.0
    names = ["ds", "customer_id", "position", "action", "offer_id", "value", "reason"]
    return pd.concat([chosen[names], nothing[names]]).sort_values(["customer_id", "position"], ignore_index=True)


def _why_nothing(ledger: pd.DataFrame) -> pd.Series:
    """Return why customers without an action have none: what stopped the action of the highest value."""
    best = ledger.sort_values(["customer_id", "value"], ascending=[True, False], na_position="last")
    best = best[(best["gate"] != "not for this customer")].drop_duplicates("customer_id").set_index("customer_id")
    limited = "the limit " + best["bound_by"].astype("string") + " is spent on customers to whom it brings more"
    return best["gate"].astype("string").where(best["gate"].notna(), limited)


def _limits(result: Allocation, day: date) -> pd.DataFrame:
    rows = [(use.limit.name, use.limit.bound, use.used, use.price, use.broken) for use in result.uses]
    rows.append((ALL_DECISIONS, result.bound, result.value, 0.0, False))
    frame = pd.DataFrame(rows, columns=["name", "bound", "used", "price", "is_broken"])
    return frame.round({"bound": PLACES, "used": PLACES, "price": PLACES}).assign(ds=day)
