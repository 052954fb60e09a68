from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from conf.tables.canonical import CANONICAL
from conf.tables.types import arrow_schema
from expectations.checkpoint import Checkpoints, plain
from expectations.rules import refers_to
from expectations.suites import SUITES

DROP = date(2017, 3, 5)
MOMENT = datetime(2017, 3, 4, 12, tzinfo=UTC)

#: a row that breaks nothing
GOOD: dict[str, dict[str, Any]] = {
    "customers": {
        "customer_id": "c1",
        "registered_on": DROP,
        "email": "a.b+c@example.org",
        "phone": "+79261234567",
        "birth_date": date(1980, 2, 29),
    },
    "organizations": {"organization_id": "o1"},
    "consents": {
        "customer_id": "c1",
        "channel": "mail",
        "purpose": "*",
        "granted": False,
        "changed_at": MOMENT,
    },
    "products": {"product_id": "p1", "counted": True, "offerable": False, "price": Decimal("0")},
    "order_lines": {
        "order_id": "o1",
        "line_id": "1",
        "customer_id": "c1",
        "product_id": "p1",
        "ordered_at": MOMENT,
        "ordered_on": DROP,
        "quantity": Decimal("1"),
        "amount": Decimal("2.5"),
        "discount": Decimal("0"),
        "is_return": False,
    },
    "campaigns": {"campaign_id": "k1", "starts_on": DROP, "ends_on": DROP},
    "campaign_targets": {"campaign_id": "k1", "customer_id": "c1", "targeted_on": DROP},
    "offers": {
        "offer_id": "f1",
        "campaign_id": "k1",
        "kind": "coupon",
        "valid_from": DROP,
        "valid_to": date(9999, 12, 31),
    },
    "offer_products": {"offer_id": "f1", "product_id": "p1"},
    "touches": {"touch_id": "t1", "customer_id": "c1", "touched_on": DROP},
    "responses": {
        "response_id": "r1",
        "customer_id": "c1",
        "offer_id": "f1",
        "kind": "redeemed",
        "responded_on": DROP,
    },
    "need_categories": {"need_category_id": "g1", "name": "At home"},
    "needs": {"need_id": "w1", "name": "Something sweet"},
    "characteristic_needs": {"characteristic": "CANDY", "need_id": "w1"},
}
OLD, NEXT = date(1, 1, 1), date(2017, 3, 6)
#: what to change in the good row so that the rule must reject it
BAD: dict[tuple[str, str], dict[str, Any]] = {
    ("customers", "range:registered_on"): {"registered_on": OLD},
    ("customers", "future:registered_on"): {"registered_on": NEXT},
    ("customers", "format:email"): {"email": "nobody at example.org"},
    ("customers", "format:phone"): {"phone": "8 (926) 123-45-67"},
    ("customers", "range:birth_date"): {"birth_date": date(1900, 1, 1)},
    ("customers", "future:birth_date"): {"birth_date": NEXT},
    ("consents", "range:changed_at"): {"changed_at": datetime(9999, 1, 1, tzinfo=UTC)},
    ("products", "range:price"): {"price": Decimal("-0.01")},
    ("order_lines", "range:ordered_at"): {"ordered_at": datetime(1970, 1, 1, tzinfo=UTC)},
    ("order_lines", "range:ordered_on"): {"ordered_on": date(1970, 1, 1)},
    ("order_lines", "future:ordered_on"): {"ordered_on": NEXT},
    ("order_lines", "range:quantity"): {"quantity": Decimal("1e10")},
    ("order_lines", "range:amount"): {"amount": Decimal("-1e10"), "is_return": True},
    ("order_lines", "range:discount"): {"discount": Decimal("-0.5")},
    ("order_lines", "sale:quantity"): {"quantity": Decimal("-1")},
    ("order_lines", "sale:amount"): {"amount": Decimal("-2.5")},
    ("order_lines", "empty_line"): {"quantity": Decimal("0"), "amount": Decimal("0")},
    ("campaigns", "range:starts_on"): {"starts_on": OLD},
    ("campaigns", "range:ends_on"): {"ends_on": date(9999, 12, 31)},
    ("campaigns", "order:starts_on,ends_on"): {"starts_on": NEXT},
    ("campaign_targets", "range:targeted_on"): {"targeted_on": OLD},
    ("offers", "range:valid_from"): {"valid_from": OLD},
    ("offers", "range:valid_to"): {"valid_from": None, "valid_to": OLD},
    ("offers", "order:valid_from,valid_to"): {"valid_from": date(2017, 3, 8), "valid_to": date(2017, 3, 7)},
    ("offers", "range:discount"): {"discount": Decimal("-1")},
    ("touches", "range:touched_on"): {"touched_on": OLD},
    ("responses", "range:responded_on"): {"responded_on": OLD},
    ("responses", "future:responded_on"): {"responded_on": NEXT},
}
for name, table in CANONICAL.items():
    BAD[name, "cast"] = {"_fault": f"cast:{table.names[0]}"}
    BAD |= {(name, f"required:{column.name}"): {column.name: None} for column in table.columns if not column.nullable}


def staged(rows: list[dict[str, Any]], name: str) -> pa.Table:
    schema = arrow_schema(CANONICAL[name])
    for column, kind in {"_ds": pa.date32(), "_fault": pa.string(), "_id": pa.int64()}.items():
        schema = schema.append(pa.field(column, kind))
    full = [{"_ds": DROP, **GOOD[name], **row, "_id": number} for number, row in enumerate(rows)]
    table = pa.Table.from_pylist(full, schema=schema)
    return table.drop_columns(["attributes"]) if "attributes" in table.column_names else table


def bad_rows(name: str) -> dict[str, dict[str, Any]]:
    return {rule: change for (table, rule), change in BAD.items() if table == name}


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "gx", tmp_path / "docs")


def test_every_row_rule_has_a_bad_row() -> None:
    declared = {(name, rule.name) for name, rules in SUITES.items() for rule in rules if rule.kind in ("row", "field")}
    assert set(BAD) == declared


def test_rule_names_differ_within_a_suite() -> None:
    for name, rules in SUITES.items():
        assert len({rule.name for rule in rules}) == len(rules), name


@pytest.mark.parametrize("name", SUITES)
def test_good_row_passes_and_each_bad_row_is_rejected_by_its_rule(name: str, checkpoints: Checkpoints) -> None:
    bad = bad_rows(name)
    frame = plain(staged([{}, *bad.values()], name))
    outcomes = {outcome.rule.name: outcome for outcome in checkpoints.check(name, SUITES[name], frame)}
    assert [outcome.fault for outcome in outcomes.values() if outcome.fault] == []
    assert [rule for rule, outcome in outcomes.items() if 0 in outcome.failed] == []
    for number, rule in enumerate(bad, 1):
        assert number in outcomes[rule].failed, f"{rule} let {bad[rule]} pass"


def test_returns_may_be_negative_and_a_note_rejects_nothing(checkpoints: Checkpoints) -> None:
    rows = [
        {"quantity": Decimal("-1"), "amount": Decimal("-2.5"), "is_return": True},
        {"quantity": Decimal("0"), "amount": Decimal("3")},
    ]
    outcomes = checkpoints.check("order_lines", SUITES["order_lines"], plain(staged(rows, "order_lines")))
    broken = {outcome.rule.name: (outcome.rule.kind, outcome.failed) for outcome in outcomes if not outcome.passed}
    assert broken == {"amount_without_quantity": ("note", (1,))}


@pytest.mark.parametrize(("recorded", "rejected"), [(["w1", "w3"], (1,)), ([], (0, 1))])
def test_what_is_found_nowhere_is_rejected_and_nothing_refers_to_nothing(
    checkpoints: Checkpoints, recorded: list[str], rejected: tuple[int, ...]
) -> None:
    rows = staged([{"need_category_id": "w1"}, {"need_category_id": "w2"}, {"need_category_id": None}], "needs")
    (outcome,) = checkpoints.check("needs", [refers_to("need_category_id", recorded, "need_categories")], plain(rows))
    assert (outcome.fault, outcome.failed) == (None, rejected)


@pytest.mark.spark
@pytest.mark.parametrize("name", ["customers", "order_lines", "offers"])
def test_spark_rejects_the_same_rows_as_pandas(name: str, spark: SparkSession, checkpoints: Checkpoints) -> None:
    rows = staged([{}, *bad_rows(name).values()], name)
    in_spark = spark.createDataFrame(rows.to_pylist(), from_arrow_schema(rows.schema))
    by_pandas = checkpoints.check("by pandas", SUITES[name], plain(rows))
    by_spark = checkpoints.check("by spark", SUITES[name], in_spark)
    assert [(o.rule.name, o.failed) for o in by_spark] == [(o.rule.name, o.failed) for o in by_pandas]
