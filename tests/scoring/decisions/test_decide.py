from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads
import pytest
from pydantic import ValidationError

from conf.errors import ConfigError
from conf.settings.decisions import Action, DecisionLimit, Decisions
from scoring.decisions.bundles import best_bundles, inside
from scoring.decisions.decide import decide, night_problem
from scoring.decisions.options import options
from scoring.decisions.prices import charges
from scoring.decisions.problem import weights

DAY = date(2017, 12, 3)


def scores(*customers: str, **columns: list[object]) -> pads.Dataset:
    n = len(customers)
    given = {
        "customer_id": list(customers),
        "treatment": ["treated"] * n,
        "contactable": [True] * n,
        "blocked_by": pa.array([None] * n, pa.string()),
        "churn_band": ["low"] * n,
        **columns,
    }
    return pads.dataset(pa.table(given))


def candidate(customer: str, offer: str, adds: float, kind: str = "repeat", removed_by: str | None = None) -> dict:
    return {
        "customer_id": customer, "offer_id": offer, "kind": kind, "probability": 0.5, "anyway": 0.25, "adds": adds,
        "discount_cost": 0.0, "removed_by": removed_by,
    }  # fmt: skip


REPEAT = Action(name="reminder", title="", offers="repeat", places=2, cost=0.5)
WIN_BACK = Action(name="win_back", title="", where="churn_band = 'high'", adds="4.0", cost=1)


def decided(rows: list[dict], people: pads.Dataset, limits: list[DecisionLimit] = [], most: int = 1):  # noqa: B006
    settings = Decisions(per_customer=most, actions=[REPEAT, WIN_BACK], limits=limits)
    return decide(options(pd.DataFrame(rows), people, settings), settings, DAY)


def ledger_of(result, customer: str) -> dict[tuple[str, str | None], pd.Series]:
    rows = result.ledger[result.ledger["customer_id"] == customer]
    return {(row["action"], None if pd.isna(row["offer_id"]) else row["offer_id"]): row for _, row in rows.iterrows()}


def test_nothing_is_better_than_an_offer_that_adds_less_than_it_costs():
    result = decided([candidate("a", "type:MILK", 0.25), candidate("b", "type:TEA", 2.5)], scores("a", "b"))
    first, second = result.decisions.to_dict("records")
    assert (first["action"], first["reason"]) == ("nothing", "adds nothing")
    assert (second["action"], second["offer_id"], second["value"]) == ("reminder", "type:TEA", 2.0)
    assert second["reason"] == "it adds 2.00: probability 0.50, and 0.25 to be bought anyway"


def test_control_and_blocked_customers_get_nothing_and_the_gate_is_named():
    people = scores(
        "a", "b", treatment=["control", "treated"], contactable=[False, False],
        blocked_by=pa.array([None, "no consent"], pa.string()),
    )  # fmt: skip
    result = decided([candidate("a", "type:TEA", 9), candidate("b", "type:TEA", 9)], people)
    assert result.decisions["reason"].tolist() == ["control group", "no consent"]
    assert ledger_of(result, "a")["reminder", "type:TEA"]["gate"] == "control group"


def test_a_removed_offer_is_named_with_its_rule_and_the_next_one_is_taken():
    rows = [candidate("a", "type:TEA", 9, removed_by="sent recently"), candidate("a", "type:RICE", 1)]
    of_a = ledger_of(decided(rows, scores("a")), "a")
    assert of_a["reminder", "type:TEA"]["gate"] == "sent recently"
    assert of_a["reminder", "type:RICE"]["decided"]


def test_what_displaces_an_offer_and_what_it_lacks():
    rows = [candidate("a", "type:TEA", 2.5), candidate("a", "type:RICE", 1.5)]
    row = ledger_of(decided(rows, scores("a")), "a")["reminder", "type:RICE"]
    assert (row["displaced_by"], row["bound_by"]) == ("reminder", None)
    assert row["missing_value"] == pytest.approx(1.0, abs=1e-5)


def test_an_action_without_an_offer_goes_to_whom_it_is_for():
    people = scores("a", "b", churn_band=["high", "low"])
    result = decided([candidate("a", "type:TEA", 2), candidate("b", "type:TEA", 2)], people)
    assert result.decisions["action"].tolist() == ["win_back", "reminder"]
    assert ledger_of(result, "b")["win_back", None]["gate"] == "not for this customer"


def test_a_limit_that_binds_is_named_with_its_price():
    rows = [candidate("a", "type:TEA", 2), candidate("b", "type:TEA", 3), candidate("c", "type:TEA", 4)]
    result = decided(rows, scores("a", "b", "c"), [DecisionLimit(name="one letter", most=1)])
    assert result.decisions["action"].tolist() == ["nothing", "nothing", "reminder"]
    assert "one letter" in result.decisions["reason"][0]
    assert ledger_of(result, "a")["reminder", "type:TEA"]["bound_by"] == "one letter"
    limit, everything = result.limits.to_dict("records")
    assert (limit["used"], limit["is_broken"]) == (1, False)
    assert 2.5 - 1e-3 <= limit["price"] <= 3.5 + 1e-3
    assert everything["used"] == 3.5


def test_the_missing_value_makes_it_yes_when_chosen_again_at_the_prices():
    draw = np.random.default_rng(3)
    people = [f"c{number:03d}" for number in range(200)]
    rows = [candidate(who, f"type:{j}", float(draw.gamma(1, 2))) for who in people for j in range(3)]
    settings = Decisions(actions=[REPEAT, WIN_BACK], limits=[DecisionLimit(name="few", most=60)])
    considered = options(pd.DataFrame(rows), scores(*people), settings)
    result = decide(considered, settings, DAY)
    problem = night_problem(considered, settings)
    charge = charges(result.limits["price"].to_numpy()[:1], weights(problem.limits, 1, 3))
    lost = result.ledger[result.ledger["missing_value"].notna()]
    assert len(lost) > 100
    for row in lost.to_dict("records"):
        i = people.index(row["customer_id"])
        values = problem.values.copy()
        values[i, row["place"] - 1] += row["missing_value"] + 1e-4  # more than float32 rounds away
        again = best_bundles(type(problem)(**{**vars(problem), "values": values}), inside(problem), charge)
        assert int(again.bundles[i]) >> (row["place"] - 1) & 1


def test_a_column_that_does_not_exist_is_refused_by_name():
    settings = Decisions(actions=[WIN_BACK.model_copy(update={"where": "churm_band = 'high'"})])
    with pytest.raises(ConfigError, match="churm_band"):
        options(pd.DataFrame(), scores("a"), settings)


def test_settings_that_do_not_fit_are_refused_together():
    with pytest.raises(ValidationError, match=r"action win_back is declared twice.*there is no action letter"):
        Decisions(actions=[WIN_BACK, WIN_BACK], limits=[DecisionLimit(name="x", most=1, actions=["letter"])])
    with pytest.raises(ValidationError, match="exactly one"):
        DecisionLimit(name="x", most=1, least=1)
    with pytest.raises(ValidationError, match="exactly one"):
        Action(name="x", title="", cost=0)
