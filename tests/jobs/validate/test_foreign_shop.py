"""Two nights of a shop whose exports are as dirty as real ones: consents, keys, totals, withdrawals, columns."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from conf.errors import ConfigError, DataError
from conf.settings.load import load
from conf.settings.schema import Settings, Spark
from conf.settings.source import Source
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.stages import Stage
from jobs.validate import validate

pytestmark = pytest.mark.spark
D1, D2, D3 = date(2025, 3, 2), date(2025, 3, 3), date(2025, 3, 4)
Drops = dict[str, list[tuple[str | None, ...]]]
EXPORTS = {
    "orders": ["order_no", "customer", "sku", "qty", "total", "at", "status"],
    "people": ["Код", "Дата регистрации", "E-mail"],
    "c": ["who", "ch", "ok", "at"],
}
TABLES: dict[str, Any] = {
    "order_lines": {
        "max_rejected": 0.5,
        "max_volume_change": 1000,
        "parts": [
            {
                "export": "orders",
                "where": "status <> 'cancelled'",
                "columns": {
                    "order_id": "order_no",
                    "line_id": "sku",
                    "customer_id": "customer",
                    "product_id": "sku",
                    "ordered_at": "to_timestamp(at)",
                    "ordered_on": "to_date(at)",
                    "quantity": "qty",
                    "amount": "total",
                    "discount": "'0'",
                    "is_return": "cast(qty as int) < 0",
                },
            }
        ],
    },
    "customers": {
        "max_rejected": 0.5,
        "parts": [
            {
                "export": "people",
                "columns": {
                    "customer_id": "`Код`",
                    "registered_on": "to_date(`Дата регистрации`, 'dd.MM.yyyy')",
                    "email": "lower(`E-mail`)",
                },
            }
        ],
    },
    "consents": {
        "max_rejected": 0.9,
        "parts": [
            {
                "export": "c",
                "columns": {
                    "customer_id": "who",
                    "channel": "ch",
                    "purpose": "'marketing'",
                    "granted": "ok",
                    "changed_at": "to_timestamp(at)",
                },
            }
        ],
    },
}
AT = "2025-03-02 10:00:00"
FIRST: Drops = {
    "orders": [
        ("1001", "C1", "A", "1", "10.00", AT, "paid"),
        ("1001", "C1", "A", "1", "5.00", AT, "paid"),  # a second line of the product
        ("1002", "C2\u00a0", "A", "1", "10.00", AT, "paid"),
        ("1003", "C2", "A", "1", "20.00", AT, "paid"),
        ("1004", "0", "A", "1", "7.00", AT, "paid"),  # a guest
        ("1005", "N/A", "A", "1", "7.00", AT, "paid"),
        ("1006", "C3", "A", "1", "9.00", "10:15:00", "paid"),
        ("1007", "7.91612E+11", "A", "1", "8.00", AT, "paid"),
        ("Итого", None, None, "8", "76.00", None, "paid"),
        ("1008", "C3", "A", "1", "3.50", AT, "cancelled"),
    ],
    "people": [
        ("C1", "01.03.2025", "a@example.org"),
        ("C2 ", "2025-02-31", "b@example.org"),
        ("C3", "02.03.2025", " c@example.org "),
        ("C4", "02.03.2025", "no mail"),
        ("Итого", None, None),
    ],
    "c": [
        ("C1", "email", "true", "2025-02-01 10:00:00"),
        ("C1", "Email", "нет", "01.03.2025 10:00"),
        ("C3 ", "carrier pigeon", "0", "2025-03-01 10:00:00"),
        ("C9", "email", "no", "2025-03-01 10:00:00"),
        ("Итого", None, None, None),
    ],
}
SECOND: Drops = {
    "orders": [
        ("1002", "C2", "A", "1", "10.00", AT, "cancelled"),  # loaded yesterday
        ("1001", "C1", "A", "-1", "-10.00", "2025-03-03 09:00:00", "paid"),  # a refund under its order's number
        ("1009", "C3", "A", "1", "2.00", "2025-03-03 09:00:00", "paid"),
    ]
}


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The shop after two nights."""
    exports = {
        name: {"path": f"{{date}}/{name}.csv", "format": "csv", "schedule": "optional", "columns": columns}
        for name, columns in EXPORTS.items()
    }
    source = {
        "name": "shop",
        "title": "Shop",
        "timezone": "UTC",
        "currency": "EUR",
        "history_starts": "2025-03-02",
        "consent": {"recorded": True},
        "exports": exports,
        "tables": TABLES,
    }
    home = tmp_path_factory.mktemp("shop")
    settings = load().model_copy(
        update={
            "source": Source.model_validate(source),
            "spark": Spark(master="local[2]", driver_memory="1g", shuffle_partitions=2),
            "home": str(home),
            "lake": str(home / "lake"),
        }
    )
    night(settings, D1, None, FIRST)
    night(settings, D2, D1, SECOND)
    return settings


def night(
    settings: Settings, day: date, since: date | None, drops: dict[str, list[tuple[str | None, ...]]]
) -> Manifest:
    with Lake(settings.lake).draft(Stage.INGEST, day) as draft:
        for export, rows in drops.items():
            origin = [("_file", pa.string()), ("_row", pa.int64()), ("_ds", pa.date32())]
            schema = pa.schema([*((column, pa.string()) for column in EXPORTS[export]), *origin])
            listed = [
                dict(zip(schema.names, (*row, f"{day}/{export}.csv", number, day), strict=True))
                for number, row in enumerate(rows, 1)
            ]
            draft.arrow(f"raw/shop/{export}", pa.Table.from_pylist(listed, schema=schema))
        draft.facts["since"] = since and str(since)
        draft.commit(Manifest(stage="ingest", ds=str(day), version=""))
    return validate.run(settings, day)


def rows(settings: Settings, name: str, day: date) -> list[dict[str, Any]]:
    return Lake(settings.lake).arrow(name, day).to_pylist()


def test_lines_of_one_product_add_up_and_a_refund_nets_with_its_sale(shop: Settings) -> None:
    def money(day: date) -> dict[str, float]:
        result: dict[str, float] = {}
        for row in rows(shop, "clean/order_lines", day):
            result[row["order_id"]] = result.get(row["order_id"], 0) + float(row["amount"])
        return result

    assert money(D1) == {"1001": 15, "1002": 10, "1003": 20}
    assert money(D2) == {"1001": 5, "1003": 20, "1009": 2}  # 1002 is cancelled, 10 of 1001 went back
    lines = sorted(row["line_id"] for row in rows(shop, "clean/order_lines", D2) if row["order_id"] == "1001")
    assert lines == ["A", "A~~2", "A~~return"]


def test_counts_and_money_close(shop: Settings) -> None:
    lake = Lake(shop.lake)
    first, second = (lake.need(Stage.VALIDATE, day).facts["accounts"]["order_lines"] for day in (D1, D2))
    assert {name: rows for name, rows in first.items() if name != "money"} == {
        "before": 0, "came": 10, "merged": 0, "quarantined": 5, "left_out": 0, "withdrawing": 1, "erased": 0,
        "after": 4,
    }  # fmt: skip
    assert first["money"] == {
        "before": "0.00", "came": "155.50", "merged": "0.00", "quarantined": "107.00", "left out": "0.00",
        "withdrawing": "3.50", "after": "45.00",
    }  # fmt: skip
    assert (second["before"], second["came"], second["merged"], second["after"]) == (4, 3, 1, 5)
    assert (second["money"]["merged"], second["money"]["after"]) == ("10.00", "27.00")  # 1002 is taken back


def test_rows_that_cannot_be_read_are_set_aside_with_their_reason(shop: Settings) -> None:
    assert {row["_row"]: row["rule"] for row in rows(shop, "quarantine/order_lines", D1)} == {
        5: "placeholder:customer_id",
        6: "placeholder:customer_id",
        7: "cast:ordered_at",
        8: "mangled_key:customer_id",
        9: "total_line",
    }
    assert {row["_row"]: row["rule"] for row in rows(shop, "quarantine/customers", D1)} == {
        2: "cast:registered_on",
        5: "total_line",
    }
    people = {row["customer_id"]: row["email"] for row in rows(shop, "clean/customers", D1)}
    assert people == {"C1": "a@example.org", "C3": "c@example.org", "C4": None}
    assert {row["customer_id"] for row in rows(shop, "clean/order_lines", D1)} == {"C1", "C2"}


def test_what_is_no_clear_yes_is_kept_as_a_no_and_reported(shop: Settings) -> None:
    result = {(row["customer_id"], row["channel"], row["granted"]) for row in rows(shop, "clean/consents", D1)}
    assert result == {("C1", "email", True), ("C1", "email", False), ("C3", "*", False), ("C9", "email", False)}
    expected = {
        "unknown channel": 1, "unknown purpose": 0, "unreadable decision": 0, "unreadable moment": 1,
        "unknown customer": 1,
    }  # fmt: skip
    assert Lake(shop.lake).need(Stage.VALIDATE, D1).facts["consents_in_doubt"] == expected
    notes = {
        row["check_name"]: row["rows_failed"]
        for row in rows(shop, "quality/data_quality", D1)
        if (row["table_name"], row["kind"]) == ("consents", "note") and row["check_name"] in expected
    }
    assert notes == expected


def test_a_refusal_that_names_nobody_stops_the_night(shop: Settings) -> None:
    lost: Drops = {
        "c": [("N/A", "email", "no", AT), (None, "email", "?", AT), ("-", "email", "yes", AT), ("C1", "sms", "yes", AT)]
    }
    with pytest.raises(DataError, match=r"consents: refusals_lost: 2 row\(s\) are no grant and name no customer"):
        night(shop, D3, D2, lost)


def test_offers_must_go_out_by_a_channel_of_the_vocabulary(shop: Settings) -> None:
    odd = shop.model_copy(update={"policy": shop.policy.model_copy(update={"channel": "pigeon"})})
    with pytest.raises(ConfigError, match=r"policy.channel: pigeon is no channel that consents can name"):
        validate.run(odd, D2)


@pytest.mark.parametrize(
    ("totals", "thousand_is_read"),
    [
        (["1.000", "1.355,90"], False),  # a German export
        (["1.000", "2.500", "999"], False),  # nothing shows that the dot is a decimal sign
        (["1.000", "12.50"], True),
        (["1.250", "0.750"], True),  # kilograms
    ],
)
def test_a_dot_before_three_digits(shop: Settings, tmp_path: Path, totals: list[str], thousand_is_read: bool) -> None:
    from jobs.validate.number_signs import doubtful_columns

    with Lake(str(tmp_path)).draft(Stage.INGEST, D1) as draft:
        files = draft.arrow("raw/shop/orders", pa.table({"total": totals, "qty": ["1"] * len(totals)})).files
    source = shop.source
    part = source.tables["order_lines"].parts[0]
    table = validate.CANONICAL["order_lines"]
    result = doubtful_columns(Lake(str(tmp_path)), files, source.exports["orders"], part, table)
    assert result == (frozenset() if thousand_is_read else {"total"})
