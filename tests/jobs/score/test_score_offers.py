from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import functions as F

import scoring.offers.next_best_offers as next_best_offers
from conf.errors import DataError
from conf.settings.load import load
from conf.settings.propensities import Propensities
from conf.settings.schema import Settings, Spark
from conf.tables.canonical import CANONICAL
from conf.tables.features import FEATURES
from conf.tables.offers import CONTACTS
from conf.tables.table import Column
from conf.tables.types import arrow_schema
from jobs.database import database
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.score.score_inputs import PinnedModels, deliveries, load_models, scoring_pins
from jobs.score.score_offers import run
from jobs.stages import Stage
from scoring.predictions import Packed
from training.classifiers.linear import LogisticConfig, logistic
from training.models import artifacts
from training.next_action import evaluate as next_action_evaluate, fit as next_action_fit, inputs as next_action_inputs
from training.tables import PUBLISHED

DAY = date(2017, 12, 3)
LATER = DAY + timedelta(days=20)
TYPES = ("BREAD", "MILK", "JAM", "TEA", "SALT", "RICE", "BEER")
WARM = tuple(f"w{number}" for number in range(6))
COLD = ("cold", "cold and silent")


def profile() -> list[dict[str, Any]]:
    warm = [
        {
            "customer_id": who, "baskets_total": 10 + n, "baskets_84": 3 + n, "recency_days": 5 * n, "is_cold": False,
            "spend_90": 10.0 * n, "spend_84": 9.0 * n, "interval_days": 7.0, "campaigns_total": 1,
        }
        for n, who in enumerate(WARM)
    ]  # fmt: skip
    return warm + [{"customer_id": who, "is_cold": True, "baskets_total": 0, "baskets_84": 0} for who in COLD]


def features() -> dict[str, list[dict[str, Any]]]:
    types = [
        {
            "product_type": name, "department": "GROCERY", "buyers": 60, "buyers_28": 20 - n, "buyers_84": 40,
            "baskets_84": 80, "popularity_28": 0.5 - 0.05 * n, "spend_per_buyer_28": 3.0 + n,
            "spend_per_new_buyer_28": 2.0 + n, "repeat_share_84": 0.5,
        }
        for n, name in enumerate((*TYPES, "FUEL"))
    ]  # fmt: skip
    types[-1]["department"] = "FUEL"
    bought = [
        {
            "customer_id": who, "product_type": name, "baskets_28": n % 2, "baskets_84": n + 1, "baskets_total": n + 3,
            "spend_84": 4.0, "spend_total": 9.0, "days_since_last": n, "days_since_first": 99, "interval_days": 7.0,
            "faded_baskets": n + 2.5,
        }
        for n, who in enumerate(WARM)
        for name in TYPES[: n + 1]
    ]  # fmt: skip
    coupon = {
        "campaign_id": "A", "days_left": 20, "days_running": 3, "scope_main_type": "BREAD", "scope_types": 2,
        "scope_baskets_84": 1, "scope_baskets_total": 4, "scope_spend_84": 5.0, "scope_days_since_last": 3,
        "scope_spend_per_buyer_28": 6.0, "offer_responses": 1, "valid_to": LATER,
    }  # fmt: skip
    return {
        "profile": profile(),
        "purchase_series": [row for row in profile() if row["baskets_total"]],
        "product_types": types,
        "affinity": bought,
        "actions": [{"customer_id": who, "actions": ["GROCERY"], "days_ago": [n]} for n, who in enumerate(WARM[:2])],
        "bought_together": [
            {"product_type": "BREAD", "other": "BEER", "baskets": 9, "confidence": 0.3, "lift": 2.0, "llr": 8.0}
        ],
        "als_users": [{"customer_id": who, "factors": [1.0, 0.5]} for who in WARM],
        "als_items": [{"product_type": name, "factors": [0.1 * n, 0.1]} for n, name in enumerate(TYPES)],
        "segments": [
            {"customer_id": row["customer_id"], "segment_id": "cold" if row["is_cold"] else "s1",
             "segment_name": "New and cold" if row["is_cold"] else "Regulars"}
            for row in profile()
        ],
        "coupon_affinity": [
            {"customer_id": who, "offer_id": offer, "already_redeemed": offer == "taken", **coupon}
            for who in WARM[:3]
            for offer in ("k1", "k2", "k3", "taken", "over", "durable")
        ],
        "repurchase": [{"product_type": "SOFA", "renewable": False}, {"product_type": "BREAD", "renewable": True}],
    }  # fmt: skip


def clean() -> dict[str, list[dict[str, Any]]]:
    ends = {"over": DAY}
    return {
        "customers": [{"customer_id": who} for who in (*WARM, *COLD) if who != "w4"],
        "offers": [
            {"offer_id": offer, "campaign_id": "A", "kind": "coupon", "title": f"Coupon {offer}", "valid_from": DAY,
             "valid_to": ends.get(offer, LATER)}
            for offer in ("k1", "k2", "k3", "taken", "over", "durable")
        ],
        "products": [
            {"product_id": name, "product_type": name.upper(), "category": room, "offerable": True}
            for name, room in (("sofa", None), ("bread", "BAKERY"))
        ],
        "order_lines": [
            {"order_id": who, "line_id": "1", "customer_id": who, "product_id": "sofa", "is_return": False,
             "ordered_on": DAY} for who in WARM[:2]
        ],
        "offer_products": [
            {"offer_id": "durable", "product_id": "sofa"},
            *({"offer_id": "k1", "product_id": name} for name in ("sofa", "bread")),
        ],
        "campaign_targets": [{"campaign_id": "A", "customer_id": who, "targeted_on": DAY} for who in WARM[:2]],
        "touches": [
            {"touch_id": f"t{n}", "customer_id": "w5", "offer_id": "type:BREAD" if n == 0 else None,
             "touched_on": DAY - timedelta(days=n)}
            for n in range(3)
        ],
    }  # fmt: skip


def put(lake: Lake, stage: Stage, tables: dict[str, list[dict[str, Any]]], facts: dict[str, Any] | None = None) -> None:
    layer, declared = ("features", FEATURES) if stage is Stage.FEATURES else ("clean", CANONICAL)
    with lake.draft(stage, DAY) as draft:
        for name, rows in tables.items():
            schema = arrow_schema(declared[name])
            full = [{field: row.get(field) for field in schema.names} for row in rows]
            draft.arrow(f"{layer}/{name}", pa.Table.from_pylist(full, schema=schema))
        draft.facts = facts or {}
        draft.commit(Manifest(stage=str(stage), ds=str(DAY), version=""))


def pins(home: str) -> dict[str, dict[str, Any]]:
    """A ranker and a churn model of three inputs each, and a chain of visits."""
    rng = np.random.default_rng(3)
    series = pd.DataFrame({"customer_id": ["a"] * 40, "actions": [["GROCERY"]] * 40, "days_ago": [[2]] * 40,
                           "next": ["GROCERY"] * 30 + ["MEAT"] * 10, "days": [4] * 40})  # fmt: skip
    all_files = {
        "next_action": next_action_evaluate.baselines(series, next_action_fit.NextActionConfig())[0].model.to_bytes()
    }
    for name, inputs in {
        "offer_ranker": ["pair_baskets_84", "type_popularity_28", "customer_baskets_84"],
        "churn": ["recency_days", "baskets_84", "spend_84"],
    }.items():
        frame = pd.DataFrame(rng.gamma(2, 2, (200, 3)), columns=inputs)
        frame["y"] = frame[inputs[0]] + frame[inputs[1]] + rng.normal(size=200) > 7
        all_files[name] = logistic(name, frame, inputs, "y", LogisticConfig()).to_bytes()
    made = {}
    for name, files in all_files.items():
        folder = Path(home, "models", name, artifacts.digest(files)[:16])
        folder.parent.mkdir(parents=True, exist_ok=True)
        made[name] = {
            "uri": str(folder), "sha256": artifacts.save(folder, files), "standing": "champion",
            "trained_through": str(DAY),
        }  # fmt: skip
    return made


@pytest.fixture(scope="module")
def night(spark, tmp_path_factory) -> Settings:
    """A published night with its features and models, scored once."""
    home = str(tmp_path_factory.mktemp("night"))
    places = {"home": home, "lake": f"{home}/lake", "database": f"sqlite:///{home}/nbo.db"}
    small = Spark(master="local[2]", driver_memory="1g", shuffle_partitions=2)
    settings = load().model_copy(update={**places, "spark": small})
    lake = Lake(settings.lake)
    put(lake, Stage.FEATURES, features())
    put(lake, Stage.VALIDATE, clean())
    put(lake, Stage.TRAIN, {}, {"pins": pins(home)})
    run(settings, DAY)
    return settings


def scored(settings: Settings, table: str) -> list[dict[str, Any]]:
    return Lake(settings.lake).arrow(f"scores/{table}", DAY).to_pylist()


def offers(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    result: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(scored(settings, "next_best_offer"), key=lambda row: (row["customer_id"], row["rank"])):
        result.setdefault(row["customer_id"], []).append(row)
    return result


def test_every_customer_gets_five_different_offers_in_order_of_value(night):
    result = offers(night)
    assert set(result) == {*WARM, *COLD}
    for rows in result.values():
        assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5]
        assert len({row["offer_id"] for row in rows}) == 5
        values = [row["expected_value"] for row in rows]
        assert values == sorted(values, reverse=True)
        assert all(0 <= row["propensity"] <= 1 for row in rows)


def test_cold_customers_get_what_is_popular_in_their_segment(night):
    for who in COLD:
        rows = offers(night)[who]
        assert {row["offer_id"] for row in rows} == {f"type:{name}" for name in TYPES[:5]}
        assert {row["candidate_source"] for row in rows} == {"popular_in_segment"}
        # their segment has bought none of it: the sentence is about all customers, whose share was counted
        assert {row["reason_codes"] for row in rows} == {"POPULAR;NEVER_BOUGHT"}
        assert "segment" not in rows[0]["reason"]


def test_what_may_not_be_offered_is_not_and_is_counted(night):
    result = offers(night)
    coupons = {who: {r["offer_id"] for r in rows if r["offer_kind"] == "coupon"} for who, rows in result.items()}
    assert {who for who, held in coupons.items() if held} == {"w0", "w1"}
    assert all(len(coupons[who]) == 2 and coupons[who] <= {"k1", "k2", "k3"} for who in ("w0", "w1"))
    assert "type:BREAD" not in {row["offer_id"] for row in result["w5"]}  # sent tonight
    assert not any("FUEL" in row["offer_id"] for rows in result.values() for row in rows)
    facts = Lake(night.lake).need(Stage.SCORE, DAY).facts
    assert facts["removed"] == {
        "already redeemed": 2,
        "bought already, and seldom bought twice": 2,
        "campaign does not target the customer": 5,
        "not valid tonight": 3,
    }
    assert facts["offers_by_kind"] == {"coupon": 4, "product_type": 36}
    assert (facts["customers"], facts["cold_customers"]) == (8, 2)
    assert facts["blocked"] == {"control group": 1, "not in the CRM": 1}


def test_what_customers_do_next_is_told_of_those_with_a_visit(night):
    actual = sorted(scored(night, "next_actions"), key=lambda row: (row["customer_id"], row["rank"]))
    assert {row["customer_id"] for row in actual} == {*WARM[:2]}
    first, *rest = [row for row in actual if row["customer_id"] == WARM[0]]
    # four days of this action's 30 visits, smoothed by 4.95 of all with the weight of 50
    assert (first["rank"], first["action"], first["expected_day"]) == (1, "GROCERY", DAY + timedelta(days=5))
    assert sum(row["probability"] for row in (first, *rest)) == pytest.approx(1, abs=1e-5)
    assert {row["expected_day"] is None for row in actual if row["action"] == next_action_inputs.NOTHING} == {True}
    actions = {row["customer_id"]: row["next_action"] for row in scored(night, "customer_scores")}
    assert actions == {who: "GROCERY" if who in WARM[:2] else None for who in (*WARM, *COLD)}


def test_customers_are_scored_as_declared(night):
    rows = {row["customer_id"]: row for row in scored(night, "customer_scores")}
    assert {who for who, row in rows.items() if row["churn_probability"] is None} == set(COLD)
    assert Counter(row["churn_band"] for row in rows.values()) == {"low": 4, "middle": 1, "high": 1, None: 2}
    assert (rows["w5"]["contactable"], rows["w5"]["blocked_by"]) == (False, "control group")
    assert {who for who, row in rows.items() if row["is_valuable"]} == {"w4", "w5"}
    assert rows["w1"]["churn_reasons"]
    for table in ("next_best_offer", "customer_scores", "characteristic_recommendations", "next_actions"):
        assert Lake(night.lake).arrow(f"scores/{table}", DAY).schema.names == list(PUBLISHED[table].names)


def test_a_source_without_books_of_needs_gets_those_of_its_products(night):
    assert scored(night, "need_categories") == []
    need = {"ds": DAY, "need_id": "category:BAKERY", "name": "BAKERY", "need_category_id": None, "origin": "derived"}
    assert scored(night, "needs") == [need]
    result = [(row["characteristic"], row["need_id"], row["model"]) for row in scored(night, "characteristics")]
    assert result == [("BREAD", "category:BAKERY", None), ("SOFA", None, None)]
    assert Lake(night.lake).need(Stage.SCORE, DAY).facts["needs"] == {
        "origin": "derived", "needs": 1, "characteristics_without": 1
    }  # fmt: skip


def test_models_are_named_by_their_hash_and_baselines_as_such(night):
    rows = scored(night, "next_best_offer")
    sha256 = Lake(night.lake).need(Stage.TRAIN, DAY).facts["pins"]["offer_ranker"]["sha256"]
    named = {row["offer_kind"]: row["models"] for row in rows}
    assert named == {"product_type": f"offer_ranker:{sha256[:12]}", "coupon": "baseline:personal_frequency"}
    assert all(row["response_probability"] is None for row in rows if row["offer_kind"] == "product_type")


def test_scoring_again_gives_equal_rows(night):
    lake = Lake(night.lake)
    before = lake.need(Stage.SCORE, DAY)
    assert run(night, DAY).version == before.version
    again = run(night, DAY, force=True)
    assert again.version != before.version
    assert again.content == before.content


def test_scores_that_are_no_numbers_are_not_published(night, monkeypatch):
    before = Lake(night.lake).need(Stage.SCORE, DAY)
    monkeypatch.setattr(
        next_best_offers,
        "with_split_probability",
        lambda rows, column, flag, models: rows.withColumn(column, F.lit(float("nan"))),
    )
    with pytest.raises(DataError, match=r"ranking\.propensity: \d+ of \d+ values are NaN"):
        run(night, DAY, force=True)
    lake = Lake(night.lake)
    assert lake.need(Stage.SCORE, DAY) == before
    versions = {path.name for path in Path(night.lake, "scores/next_best_offer", f"ds={DAY}").iterdir()}
    assert versions == {f"v={before.version}"} | {v for v in versions if v < f"v={before.version}"}


def test_a_changed_model_is_refused_and_the_scores_before_stay(night):
    lake = Lake(night.lake)
    before = lake.need(Stage.SCORE, DAY)
    file = next(Path(lake.need(Stage.TRAIN, DAY).facts["pins"]["churn"]["uri"]).glob("model.*"))
    content = file.read_bytes()
    try:
        file.write_bytes(content[:-1] + b"!")
        with pytest.raises(DataError, match="is not the one that was registered"):
            run(night, DAY, force=True)
        file.unlink()
        with pytest.raises(DataError, match="is not the one that was registered"):
            run(night, DAY, force=True)
    finally:
        file.write_bytes(content)
    assert lake.need(Stage.SCORE, DAY) == before


def test_features_of_an_earlier_version_are_told_by_name(night, monkeypatch):
    newer = FEATURES["product_types"]
    newer = replace(newer, columns=(*newer.columns, Column("brand_new", "double", "unknown to the night's features")))
    monkeypatch.setitem(FEATURES, "product_types", newer)
    with pytest.raises(DataError, match=f"product_types of {DAY} lacks brand_new.*run `nbo features --ds {DAY}`"):
        run(night, DAY, force=True)


def test_a_model_that_has_seen_the_future_may_not_score(night):
    result = Lake(night.lake).need(Stage.TRAIN, DAY).facts["pins"]
    with pytest.raises(DataError, match="churn has seen days up to 2017-12-03 and may not score 2017-12-02"):
        load_models({"churn": result["churn"]}, DAY - timedelta(days=1))


def test_the_network_recommends_even_while_it_is_a_challenger():
    given = {"churn": {"a": 1}, "characteristics": {"b": 1}, "characteristics:challenger": {"c": 1}}
    nothing = Propensities()
    assert scoring_pins(given, nothing) == {"churn": {"a": 1}, "characteristics": {"c": 1}}
    assert scoring_pins({"churn:challenger": {"a": 1}}, nothing) == {}
    with pytest.raises(DataError, match=r"model.s. chrun are pinned and no model of that name is declared"):
        scoring_pins({"chrun": {"a": 1}}, nothing)


def test_a_model_that_serves_and_scores_nothing_stops_the_night() -> None:
    models = PinnedModels({"churn": Packed({}), "value": Packed({})})
    assert models.get("churn") is not None
    assert models.get("survival") is None
    with pytest.raises(DataError, match=r"model.s. value serve this night and nothing was scored with them"):
        models.check_all_applied()
    assert models["value"] is not None
    models.check_all_applied()


def test_delivered_files_of_the_last_nights_are_contacts(settings):
    assert deliveries(settings, DAY) == []
    for back, who in ((1, "a"), (14, "b"), (15, "old"), (0, "tonight")):
        sent = DAY - timedelta(days=back)
        row = {"ds": sent, "customer_id": who, "segment": "s", "offer_id": "type:X", "channel": "mail",
               "contacted_on": sent + timedelta(days=1)}  # fmt: skip
        contacts = pa.Table.from_pylist([row], schema=arrow_schema(CONTACTS))
        database.replace(settings.database, sent, {"contacts": contacts})
    assert [(row["customer_id"], row["contacted_on"]) for row in deliveries(settings, DAY)] == [
        ("a", "2017-12-03"),
        ("b", "2017-11-20"),
    ]
