"""Hard filters of a source that lacks the tables they ask."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from conf.settings.schema import Fit, Policy
from conf.tables.canonical import CANONICAL
from conf.tables.types import arrow_schema
from jobs.inputs.suitability import mark_unfit
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.stages import Stage

DAY = date(2017, 12, 3)
SIZE = Fit(attribute="size", customer="shoe_size")
TYRES = Fit(attribute="fits", owned_type="CAR", owned="model")
PRODUCTS = (
    {"product_id": "boots", "product_type": "SHOES", "attributes": {"size": "44"}, "offerable": True},
    {"product_id": "laces", "product_type": "LACES", "offerable": True},
    {"product_id": "winter", "product_type": "TYRES", "attributes": {"fits": "camry"}, "offerable": True},
    {"product_id": "car", "product_type": "CAR", "attributes": {"model": "camry"}, "offerable": True},
)
LINE = {"order_id": "1", "line_id": "1", "customer_id": "ann", "product_id": "car", "is_return": False,
        "ordered_on": DAY}  # fmt: skip


@pytest.fixture
def lake(tmp_path) -> Lake:
    """A source without customers and without scopes of its coupons."""
    result = Lake(str(tmp_path))
    with result.draft(Stage.VALIDATE, DAY) as draft:
        for name, given in {"products": PRODUCTS, "order_lines": (LINE,)}.items():
            schema = arrow_schema(CANONICAL[name])
            rows = [{field: row.get(field) for field in schema.names} for row in given]
            draft.arrow(f"clean/{name}", pa.Table.from_pylist(rows, schema=schema))
        draft.commit(Manifest(stage=str(Stage.VALIDATE), ds=str(DAY), version=""))
    return result


def policy(*rules: Fit) -> Policy:
    return Policy(control_salt="pepper-and-salt", fits=list(rules))


def unfit(lake, spark, key: str, *rules: Fit, offers=("SHOES", "LACES", "TYRES")) -> set[tuple[str, str]]:
    pairs = [(who, offer) for who in ("ann", "bob") for offer in offers]
    rows = spark.createDataFrame(pairs, f"customer_id string, {key} string")
    return {(row["customer_id"], row[key]) for row in mark_unfit(lake, spark, DAY, policy(*rules), rows, key).collect()
            if row["unfit"]}  # fmt: skip


def test_without_customers_a_filter_refuses_what_it_cannot_tell(lake, spark):
    assert unfit(lake, spark, "product_type", SIZE) == {("ann", "SHOES"), ("bob", "SHOES")}
    assert unfit(lake, spark, "product_type", SIZE.model_copy(update={"unknown": "allow"})) == set()


def test_a_filter_by_what_is_owned_needs_no_customers(lake, spark):
    assert unfit(lake, spark, "product_type", TYRES) == {("bob", "TYRES")}


def test_a_coupon_of_unknown_scope_is_refused(lake, spark):
    assert unfit(lake, spark, "offer_id", SIZE, offers=("7",)) == {("ann", "7"), ("bob", "7")}


def test_without_filters_nothing_is_marked(lake, spark):
    rows = spark.createDataFrame([("ann", "SHOES")], "customer_id string, product_type string")
    assert mark_unfit(lake, spark, DAY, policy(), rows, "product_type") is rows
