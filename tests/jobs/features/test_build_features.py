from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from conf.errors import DataError
from conf.tables.canonical import CANONICAL
from conf.tables.catalogue import PRODUCT_CLUSTERS
from conf.tables.features import FEATURES
from conf.tables.types import arrow_schema
from jobs.features.build_features import run
from jobs.features.item_features import SETTLED
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.stages import Stage
from jobs.tables.catalogue import SHARED_CLUSTERS

DAY = date(2017, 12, 3)
SHELVES = {"x": ("milk", "cream", "bun"), "y": ("nails", "glue", "paint")}
COUPONS = {
    "campaigns": [{"campaign_id": "A", "kind": "post", "starts_on": DAY, "ends_on": date(2017, 12, 24)}],
    "campaign_targets": [{"campaign_id": "A", "customer_id": "x0", "targeted_on": DAY}],
    "offers": [
        {
            "offer_id": "k", "campaign_id": "A", "kind": "coupon", "valid_from": DAY, "valid_to": date(2017, 12, 24),
        }
    ],
    "offer_products": [{"offer_id": "k", "product_id": "milk"}],
    "responses": [
        {"response_id": "r", "customer_id": "y0", "offer_id": "k", "kind": "redeemed", "responded_on": DAY}
    ],
}  # fmt: skip


def shop() -> dict[str, list[dict]]:
    lines = [
        {
            "order_id": f"{kind}{customer}-{day}", "line_id": product, "customer_id": f"{kind}{customer}",
            "product_id": product, "ordered_at": datetime(2017, 11, day, 17, tzinfo=UTC),
            "ordered_on": date(2017, 11, day), "quantity": Decimal(1), "amount": Decimal(customer + 1),
            "discount": Decimal(0), "is_return": False,
        }
        for kind, shelf in SHELVES.items()
        for customer in range(4)
        for day in (10, 20)
        for product in shelf
    ]  # fmt: skip
    products = [
        {"product_id": name, "product_type": name.upper(), "department": kind, "counted": True, "offerable": True}
        for kind, shelf in SHELVES.items()
        for name in shelf
    ]
    return {"order_lines": lines, "products": products, "customers": [{"customer_id": "cold", "registered_on": DAY}]}


def publish_clean(settings, tables: dict[str, list[dict]], day: date = DAY) -> None:
    lake = Lake(settings.lake)
    with lake.draft(Stage.VALIDATE, day) as draft:
        for name, rows in tables.items():
            schema = arrow_schema(CANONICAL[name])
            draft.arrow(f"clean/{name}", pa.Table.from_pylist(rows, schema=schema))
        draft.commit(Manifest(stage="validate", ds=str(day), version=""))


def glue(settings, *products: str) -> None:
    """Publish a catalogue in which ``products`` are one."""
    rows = [
        {"product_id": name, "title": "one title", "cluster_id": products[0], "is_clusteroid": name == products[0],
         "confidence": 1.0, "reason": "the same words"}
        for name in products
    ]  # fmt: skip
    with Lake(settings.lake).draft(Stage.CATALOGUE, DAY) as draft:
        draft.arrow(SHARED_CLUSTERS, pa.Table.from_pylist(rows, schema=arrow_schema(PRODUCT_CLUSTERS)))
        draft.commit(Manifest(stage="catalogue", ds=str(DAY), version=""))


def test_all_tables_are_published_and_a_second_run_gives_the_same(spark, settings):
    publish_clean(settings, shop() | COUPONS)
    glue(settings, "nails", "glue")
    first = run(settings, DAY)
    assert set(first.tables) == {f"features/{name}" for name in FEATURES}
    assert first.tables["features/profile"].rows == 9
    assert first.tables["features/affinity"].rows == 24
    assert first.tables["features/bought_together"].rows == 12
    assert first.tables["features/als_items"].rows == 6
    assert first.tables["features/coupon_affinity"].rows == 1
    assert first.facts["skipped"] == {}
    lake = Lake(settings.lake)
    assert lake.arrow("features/cluster_repurchase", DAY, ["cluster_id", "buyers", "purchases"]).to_pylist() == [
        {"cluster_id": "nails", "buyers": 4, "purchases": 8}
    ]
    # of two names of one product one is offered: where both sold as often, the first
    assert set(lake.arrow("features/offer_lists", DAY)["product_id"].to_pylist()) == {
        "milk", "cream", "bun", "glue", "paint",
    }  # fmt: skip
    assert (first.facts["segments"]["ids"], first.facts["segments"]["silhouette"]) == (("segment_1",), None)
    assert first.tables["features/purchase_series"].rows == 8
    assert (first.tables["features/interests"].rows, first.tables["features/wide"].rows) == (9, 8)
    coverage = Lake(settings.lake).arrow("features/feature_coverage", DAY).to_pylist()
    recorded = {(row["table_name"], row["column_name"]): row for row in coverage}
    assert recorded["profile", "recency_days"]["coverage"] == pytest.approx(8 / 9)
    assert (recorded["profile", "age_band"]["coverage"], recorded["profile", "spend_84"]["unit"]) == (0, "currency")
    assert recorded["wide", "baskets_364"]["nonzero_share"] == 1
    assert recorded["wide", "discount_share|category BUN"]["coverage"] == pytest.approx(4 / 8)
    assert first.facts["als"]["seed"] == settings.models.seed
    assert run(settings, DAY).version == first.version
    assert first.facts["items"] == {"made_on": str(DAY)}
    again = run(settings, DAY, force=True)
    assert again.version != first.version
    assert {name: table.content for name, table in again.tables.items()} == {
        name: table.content for name, table in first.tables.items()
    }
    later = date(2017, 12, 4)
    publish_clean(settings, shop() | COUPONS, later)
    taken_over = run(settings, later)
    assert taken_over.facts["items"] == {"made_on": str(DAY)}
    for name in SETTLED:
        assert taken_over.tables[f"features/{name}"] == again.tables[f"features/{name}"], name
    assert taken_over.tables["features/customer_tags"].rows == again.tables["features/customer_tags"].rows > 0


def test_a_source_without_customers_and_coupons_and_with_nothing_to_offer(spark, settings, caplog):
    tables = shop()
    del tables["customers"]
    for row in tables["products"]:
        row["offerable"] = False
    publish_clean(settings, tables | {"offers": COUPONS["offers"]})
    manifest = run(settings, DAY)
    missing = "the source has no campaign_targets, campaigns, offer_products, responses"
    nothing = "no customer bought an offerable product type"
    assert manifest.facts["skipped"] == {"coupon_affinity": missing, "als_users": nothing, "als_items": nothing}
    assert f"coupon_affinity is not built: {missing}" in caplog.text
    assert manifest.tables["features/profile"].rows == 8
    assert manifest.tables["features/product_types"].rows == 0
    assert manifest.tables["features/cluster_repurchase"].rows == 0


def test_what_is_missing_is_named(spark, settings):
    with pytest.raises(DataError, match=r"has no published validate; run `nbo validate --ds 2017-12-03` first"):
        run(settings, DAY)
    publish_clean(settings, {"products": shop()["products"]})
    with pytest.raises(DataError, match=r"has no table clean/order_lines; it has \['clean/products'\]"):
        run(settings, DAY)
    assert Lake(settings.lake).manifest(Stage.FEATURES, DAY) is None
