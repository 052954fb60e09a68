from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

import jobs.measure.measure_outcomes as measure_outcomes
from conf.settings.load import load
from conf.settings.schema import Settings, Spark
from conf.tables.canonical import CANONICAL
from conf.tables.offers import CONTACTS, OFFER_OUTCOMES
from conf.tables.types import arrow_schema
from jobs.database import database
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.measure.measure_outcomes import is_replay, run
from jobs.report.expectation_figures import expectation_figures
from jobs.stages import Stage
from jobs.tables.outcomes import CUSTOMER_OUTCOMES, OUTCOMES
from scoring.outcomes.expected_and_realised import METRICS, names

NIGHT = date(2017, 11, 1)
DAY = NIGHT + timedelta(days=28)
SECOND = 1 / math.log2(3)


def line(customer: str, days: int, *products: str) -> list[dict[str, Any]]:
    day = NIGHT + timedelta(days=days)
    return [
        {
            "order_id": f"{customer}{day}", "line_id": product, "customer_id": customer, "product_id": product,
            "ordered_at": datetime(day.year, day.month, day.day, 17, tzinfo=UTC), "ordered_on": day,
            "quantity": Decimal(1), "amount": Decimal(3), "discount": Decimal(0), "is_return": False,
        }
        for product in products
    ]  # fmt: skip


#: T1 to T5 are bought by two; T8 is sold for the first time after the night
LINES = [
    *line("x1", -5, "T1", "T2", "T3", "T4", "T5"), *line("x2", -5, "T1", "T2", "T3", "T4", "T5"),
    *line("y", -9, "T6"), *line("y", -3, "T6"), *line("z", -20, "T7"),
    *line("x1", 0, "T1"), *line("x1", 1, "T1"), *line("x2", 28, "T8"), *line("y", 7, "T6", "T7"),
    *line("z", 29, "T7"), *line("new", 3, "T1"),
]  # fmt: skip


def clean() -> dict[str, list[dict[str, Any]]]:
    valid = {"valid_from": NIGHT, "valid_to": NIGHT + timedelta(days=20)}
    redeemed = {"x1": ("k1", 2), "y": ("k2", 3), "z": ("k1", 3)}
    return {
        "order_lines": LINES,
        "products": [
            {"product_id": f"T{n}", "product_type": f"T{n}", "department": "D", "counted": True, "offerable": True}
            for n in range(1, 9)
        ],
        "campaigns": [{"campaign_id": "A", "kind": "post", "starts_on": NIGHT, "ends_on": valid["valid_to"]}],
        "campaign_targets": [{"campaign_id": "A", "customer_id": who, "targeted_on": NIGHT} for who in ("x1", "y")],
        "offers": [{"offer_id": offer, "campaign_id": "A", "kind": "coupon", **valid} for offer in ("k1", "k2")],
        "offer_products": [{"offer_id": "k1", "product_id": "T1"}, {"offer_id": "k2", "product_id": "T6"}],
        "responses": [
            {"response_id": who, "customer_id": who, "offer_id": offer, "kind": "redeemed",
             "responded_on": NIGHT + timedelta(days=days)}
            for who, (offer, days) in redeemed.items()
        ],
    }  # fmt: skip


def put_clean(lake: Lake, day: date) -> None:
    with lake.draft(Stage.VALIDATE, day) as draft:
        for name, rows in clean().items():
            schema = arrow_schema(CANONICAL[name])
            full = [{field: row.get(field) for field in schema.names} for row in rows]
            draft.arrow(f"clean/{name}", pa.Table.from_pylist(full, schema=schema))
        draft.commit(Manifest(stage="validate", ds=str(day), version=""))


def put_scores(lake: Lake, night: date) -> None:
    ranked = [("x1", "T2", False, 1, 1), ("x1", "T1", False, 2, 2), ("y", "T7", True, 1, 1), ("z", "T7", False, 1, 1)]
    tables = {
        "product_type_ranking": [
            dict(zip(("customer_id", "product_type", "is_discovery", "rank", "rank_in_slice"), row, strict=True))
            for row in ranked
        ],
        "next_best_offer": [
            {
                "customer_id": who,
                "offer_kind": kind,
                "offer_id": offer,
                "propensity": bought,
                "response_probability": redeemed,
                "expected_value": value,
                "is_discovery": is_new,
            }
            for who, kind, offer, bought, redeemed, value, is_new in (
                ("x1", "coupon", "k1", 0.5, 0.4, 0.3, False),
                ("y", "coupon", "k1", 0.25, 0.1, 0.1, True),
                ("x1", "product_type", "type:T1", 0.8, None, 0.58, False),
                ("y", "product_type", "type:T7", 0.3, None, 0.1, True),
                ("z", "product_type", "type:T7", 0.4, None, 0.2, False),
            )
        ],
        "customer_scores": [
            {"customer_id": who, "treatment": treatment}
            for who, treatment in (("x1", "treated"), ("x2", "treated"), ("y", "control"), ("z", "control"))
        ],
    }
    tables["characteristic_ranking"] = [
        {("characteristic" if k == "product_type" else k): v for k, v in row.items()}
        for row in tables["product_type_ranking"]
    ]
    with lake.draft(Stage.SCORE, night) as draft:
        for name, rows in tables.items():
            draft.arrow(f"scores/{name}", pa.Table.from_pylist(rows))
        draft.facts = {"characteristics": ["T1", "T7"], "offers": load().offers.model_dump(mode="json")}
        draft.commit(Manifest(stage="score", ds=str(night), version=""))


@pytest.fixture(scope="module")
def measured(spark, tmp_path_factory) -> Settings:
    """A night whose horizon is over, measured once."""
    home = str(tmp_path_factory.mktemp("measured"))
    shipped = load()
    since = {"margin": 0.9}  # assumed since that night: what it expected, and what came of it, rest on its own margins
    offers = shipped.offers.model_copy(
        update={
            "product_types": shipped.offers.product_types.model_copy(update={"min_buyers": 1, **since}),
            "coupons": shipped.offers.coupons.model_copy(update={"max_per_customer": 1, **since}),
        }
    )
    small = Spark(master="local[2]", driver_memory="1g", shuffle_partitions=2)
    models = shipped.models.model_copy(update={"bootstrap_rounds": 50})
    settings = shipped.model_copy(
        update={"home": home, "lake": f"{home}/lake", "spark": small, "offers": offers, "models": models}
    )
    lake = Lake(settings.lake)
    put_clean(lake, DAY)
    put_scores(lake, NIGHT)
    put_scores(lake, NIGHT + timedelta(days=1))  # its horizon is not over
    run(settings, DAY)
    return settings


def outcomes(settings: Settings, day: date) -> list[dict[str, Any]]:
    return Lake(settings.lake).arrow(OUTCOMES, day).to_pylist()


@pytest.fixture(scope="module")
def result(measured) -> dict[tuple[str, str, str, str], dict[str, Any]]:
    rows = outcomes(measured, DAY)
    assert {(row["ds"], row["offers_of"]) for row in rows} == {(DAY, NIGHT)}
    return {(row["offer_kind"], row["slice"], row["method"], row["metric"]): row for row in rows}


def test_product_types_by_hand(result):
    """x1 buys T1 again; y buys T6 again and T7 for the first time; x2 and z buy nothing that was listed."""
    of_two = 1 + SECOND
    expected = {
        ("all", "nbo"): (1.0, (SECOND + 1 / of_two) / 2),
        ("all", "popularity"): (0.5, 0.5),
        ("all", "personal_frequency"): (1.0, (1 + 1 / of_two) / 2),
        ("repeat", "nbo"): (0.5, SECOND / 2),
        ("repeat", "popularity"): (1.0, 1.0),
        ("repeat", "personal_frequency"): (1.0, 1.0),
        ("discovery", "nbo"): (1.0, 1.0),
        ("discovery", "popularity"): (0.0, 0.0),
    }
    actual = {
        key[1:3]: tuple(result[(*key[:3], metric)]["value"] for metric in ("hit_rate@5", "ndcg@5"))
        for key in result
        if key[0] == "product_type"
    }
    assert actual == {key: pytest.approx(value, abs=1e-6) for key, value in expected.items()}
    assert result["product_type", "all", "nbo", "hit_rate@5"]["customers"] == 2
    assert result["product_type", "discovery", "nbo", "hit_rate@5"]["customers"] == 1


def test_coverage_counts_who_bought_nothing_as_a_miss(result):
    coverage = {key[2]: (row["value"], row["customers"], row["low"]) for key, row in result.items()
                if key[0] == "product_type" and key[3] == "coverage@5"}  # fmt: skip
    assert coverage == {
        "nbo": (0.5, 4, None), "popularity": (0.25, 4, None), "personal_frequency": (0.5, 4, None),
    }  # fmt: skip


def test_characteristics_keep_to_the_networks_dictionary(result):
    row = result["characteristic", "all", "nbo", "ndcg@5"]
    assert (row["value"], row["customers"]) == (pytest.approx((SECOND + 1) / 2, abs=1e-6), 2)
    assert result["characteristic", "all", "personal_frequency", "hit_rate@5"]["value"] == 0.5


def test_coupons_by_hand(result):
    """Of the pool x1 redeems k1 and y redeems k2; z is no target. Both were offered k1."""
    actual = {key[2:]: row["value"] for key, row in result.items() if key[0] == "coupon" and key[3] not in METRICS}
    assert actual == {
        ("nbo", "redemptions@1"): 0.5, ("nbo", "redemption_rate"): 0.5,
        ("popularity", "redemptions@1"): 0.5, ("popularity", "redemption_rate"): 0.5,
        ("personal_frequency", "redemptions@1"): 1.0, ("personal_frequency", "redemption_rate"): 1.0,
    }  # fmt: skip


def test_what_customers_add_makes_the_figures(measured, result):
    """Every figure but coverage and sums is told customer by customer, for the intervals of many nights."""
    rows = Lake(measured.lake).arrow(CUSTOMER_OUTCOMES, DAY).to_pandas()
    sums = rows.groupby(["offer_kind", "slice", "method", "metric"])[["above", "below"]].sum()
    sides = ("coverage", "expected_", "realised_")
    actual = {key for key in result if key[0] != "any" and not key[3].startswith(sides)}
    assert set(sums.index) == actual
    for key in actual:
        assert sums.loc[key, "above"] / sums.loc[key, "below"] == pytest.approx(result[key]["value"], abs=1e-6)
    of_nbo = rows[(rows["method"] == "nbo") & (rows["metric"] == "redemptions@1")].set_index("customer_id")
    assert of_nbo[["above", "below"]].to_dict("index") == {
        "x1": {"above": 1.0, "below": 1.0}, "y": {"above": 0.0, "below": 1.0},
    }  # fmt: skip


def test_what_was_expected_beside_what_came_by_hand(result):
    """x1 buys T1 for 3.00 and redeems k1 (assumed: 1.00 off); y buys T7; z buys nothing until a day too late."""
    actual = {(kind, part): {name: row["value"] for (k, p, _, name), row in result.items() if (k, p) == (kind, part)
                           and name in METRICS}
            for kind, part, _, _ in result}  # fmt: skip
    bought, redeemed = 3 * 0.25 - 0.02, 3 * 0.25 - 1
    assert actual["product_type", "all"] == figures(purchases=(1.5, 2), value=(0.88, 2 * bought - 0.02))
    assert actual["product_type", "repeat"] == figures(purchases=(1.2, 1), value=(0.78, bought - 0.02))
    assert actual["product_type", "discovery"] == figures(purchases=(0.3, 1), value=(0.1, bought))
    assert actual["coupon", "all"] == figures(redemptions=(0.5, 1), value=(0.4, redeemed))
    assert actual["coupon", "discovery"] == figures(redemptions=(0.1, 0), value=(0.1, 0))
    assert result["product_type", "all", "nbo", "value_ratio"]["customers"] == 3


def figures(**sums: tuple[float, float]):
    """What the table holds of an expected and a realised sum."""
    one = {name: value for figure, (expected, realised) in sums.items()
            for name, value in zip(names(figure), (expected, realised, realised / expected), strict=True)}  # fmt: skip
    return pytest.approx(one, abs=1e-6)


def test_the_report_is_told_what_came_of_it(measured):
    (rows,) = expectation_figures(Lake(measured.lake), DAY).values()
    (row,) = (row for row in rows if (row["kind"], row["slice"], row["figure"]) == ("coupon", "discovery", "value"))
    assert (row["expected"], row["realised"], row["ratio"], row["customers"]) == (0.1, 0.0, 0.0, 1)
    assert (row["low"], row["high"], row["verdict"]) == (None, None, "too few to tell")
    assert len(rows) == 3 * 2 + 3 * 2


def test_treated_beside_control(result):
    actual = {(key[1], key[3]): row["value"] for key, row in result.items() if key[0] == "any"}
    assert actual == {
        ("treated", "purchase_rate"): 1.0, ("treated", "spend"): 3.0,
        ("control", "purchase_rate"): 0.5, ("control", "spend"): 3.0,
    }  # fmt: skip


def test_intervals_hold_the_value(result):
    for row in result.values():
        assert row["is_replay"]
        if row["low"] is not None:
            assert row["low"] <= row["value"] <= row["high"]


def test_a_measured_night_is_carried_along_and_then_rests(measured, result, monkeypatch):
    monkeypatch.setattr(measure_outcomes, "session", lambda *_: pytest.fail("nothing is to be measured"))
    lake = Lake(measured.lake)
    lake.fs.delete_file(f"{lake.base}/_nights/score/{NIGHT + timedelta(days=1)}.json")  # one night is enough here
    for days in (1, 28):
        put_clean(lake, DAY + timedelta(days=days))
        run(measured, DAY + timedelta(days=days))
    carried = outcomes(measured, DAY + timedelta(days=1))
    assert [{**row, "ds": DAY} for row in carried] == outcomes(measured, DAY)
    assert {row["ds"] for row in carried} == {DAY + timedelta(days=1)}
    assert outcomes(measured, DAY + timedelta(days=28)) == []


def test_nothing_to_measure_is_an_empty_table(settings):
    lake = Lake(settings.lake)
    put_clean(lake, NIGHT)
    put_scores(lake, NIGHT)
    run(settings, NIGHT)
    table = lake.arrow(OUTCOMES, NIGHT)
    assert (table.num_rows, table.schema.names) == (0, list(OFFER_OUTCOMES.names))


def test_a_night_scored_long_after_its_day_is_a_replay(settings):
    def scored(written: str) -> Manifest:
        return Manifest(stage="score", ds="2017-12-03", version="", written_at=written)

    assert not is_replay(settings, scored("2017-12-04T03:00:00+00:00"))
    assert not is_replay(settings, scored("2017-12-07T04:59:59+00:00"))  # still the sixth in New York
    assert is_replay(settings, scored("2017-12-07T05:00:00+00:00"))


def test_a_live_night_that_is_scored_again_much_later_is_no_replay(settings):
    row = {"customer_id": "a", "segment": "s", "channel": "mail", "contacted_on": NIGHT + timedelta(days=1)}
    table = pa.Table.from_pylist([{"ds": NIGHT, "offer_id": None, **row}], schema=arrow_schema(CONTACTS))
    later = Manifest(stage="score", ds=str(NIGHT), version="", written_at="2018-02-01T03:00:00+00:00")
    assert is_replay(settings, later)
    database.replace(settings.database, NIGHT, {"contacts": table})
    assert not is_replay(settings, later)
