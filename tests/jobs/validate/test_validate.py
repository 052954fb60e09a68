"""Validation of whole nights of a small CRM: what gets in, what is set aside, what stops a night."""

from __future__ import annotations

import logging
import shutil
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
D1, D2, D3, D4 = date(2017, 1, 30), date(2017, 1, 31), date(2017, 2, 1), date(2017, 2, 2)
CANARY = "canary@private.example"
EXPORTS = {
    "sales": ["sale", "client", "sku", "at", "pieces", "paid", "note"],
    "clients": ["client", "since", "mail", "town"],
    "client_news": ["client", "since", "mail", "town"],
    "goods": ["sku", "name"],
    "opt_outs": ["client", "answer", "at"],
    "need_groups": ["group", "label"],
    "wishes": ["wish", "label", "group"],
    "answers": ["kind", "wish"],
}
CLIENT = {"customer_id": "client", "registered_on": "to_date(since)", "email": "mail", "age_band": "town"}
SOURCE = {
    "name": "shop",
    "title": "A small shop",
    "timezone": "UTC",
    "currency": "EUR",
    "history_starts": "2017-01-30",
    "consent": {"recorded": True},
    "exports": {
        name: {
            "path": f"{{date}}/{name}.csv",
            "format": "csv",
            "schedule": "daily" if name == "sales" else "optional",
            "columns": columns,
        }
        for name, columns in EXPORTS.items()
    },
    "tables": {
        "customers": {
            "max_rejected": 0.5,
            "personal": ["age_band"],
            "parts": [
                {"export": "client_news", "columns": CLIENT},
                {"export": "clients", "mode": "snapshot", "columns": CLIENT},
            ],
        },
        "products": {
            "parts": [
                {
                    "export": "goods",
                    "mode": "snapshot",
                    "columns": {"product_id": "sku", "title": "name", "counted": "true", "offerable": "true"},
                }
            ]
        },
        "consents": {
            "parts": [
                {
                    "export": "opt_outs",
                    "columns": {
                        "customer_id": "client",
                        "channel": "'*'",
                        "purpose": "'marketing'",
                        "granted": "answer",
                        "changed_at": "to_timestamp(at)",
                    },
                }
            ]
        },
        "order_lines": {
            "max_rejected": 0.5,
            "max_volume_change": 3,
            "references": {"product_id": 0.9},
            "parts": [
                {
                    "export": "sales",
                    "columns": {
                        "order_id": "sale",
                        "line_id": "sku",
                        "customer_id": "client",
                        "product_id": "sku",
                        "ordered_at": "to_timestamp(at)",
                        "ordered_on": "to_date(to_timestamp(at))",
                        "quantity": "pieces",
                        "amount": "paid",
                        "discount": "0",
                        "is_return": "false",
                    },
                }
            ],
        },
    },
}
#: the books of needs, for a source that has them
BOOKS: dict[str, Any] = {
    name: {"max_rejected": 0.9, "max_volume_change": 1000, "parts": [{"export": export, "columns": columns}]}
    for name, export, columns in (
        ("characteristic_needs", "answers", {"characteristic": "kind", "need_id": "wish"}),
        ("needs", "wishes", {"need_id": "wish", "name": "label", "need_category_id": "group"}),
        ("need_categories", "need_groups", {"need_category_id": "group", "name": "label"}),
    )
}
GOODS = [("apple", "An apple"), ("pear", "A pear")]


@pytest.fixture(scope="module")
def small(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of the small shop."""
    shipped = load()
    return shipped.model_copy(
        update={
            "source": Source.model_validate(SOURCE),
            "spark": Spark(master="local[2]", driver_memory="1g", shuffle_partitions=2),
        }
    )


def at(settings: Settings, home: Path) -> Settings:
    return settings.model_copy(update={"home": str(home), "lake": str(home / "lake")})


Drops = dict[date, dict[str, list[tuple[str | None, ...]]]]


def ingest(settings: Settings, day: date, since: date | None, drops: Drops, malformed: int = 0) -> None:
    """Publish raw tables as ingest does: strings and where they come from."""
    with Lake(settings.lake).draft(Stage.INGEST, day) as draft:
        for export, columns in EXPORTS.items():
            rows = [
                {**dict(zip(columns, row, strict=True)), "_file": f"{drop}/{export}.csv", "_row": number, "_ds": drop}
                for drop, exports in sorted(drops.items())
                for number, row in enumerate(exports.get(export, []), 1)
            ]
            origin = [("_file", pa.string()), ("_row", pa.int64()), ("_ds", pa.date32())]
            schema = pa.schema([*((column, pa.string()) for column in columns), *origin])
            if rows:
                draft.arrow(f"raw/shop/{export}", pa.Table.from_pylist(rows, schema=schema))
        if malformed:
            rows = [{"_file": "x", "_row": n, "_ds": day, "reason": "unquoted"} for n in range(malformed)]
            draft.arrow(
                "raw/shop/sales__rejected",
                pa.Table.from_pylist(rows, schema=pa.schema([*origin, ("reason", pa.string())])),
            )
        draft.facts["since"] = since and str(since)
        draft.commit(Manifest(stage="ingest", ds=str(day), version=""))


def sale(
    number: int, client: str = "ann", sku: str | None = "apple", at: Any = D1, paid: str | None = "1.50"
) -> tuple[str | None, ...]:
    return (f"s{number}", "ann", sku, f"{at} 10:00:00", "1", paid, "rang twice")


def sales(first: int, count: int, at: date) -> list[tuple[str | None, ...]]:
    return [sale(number, at=at) for number in range(first, first + count)]


#: three days: a snapshot and changes of clients, late, double and corrected sales, consents that contradict each other
HISTORY: Drops = {
    D1: {
        "sales": sales(1, 5, D1),
        "goods": GOODS,
        "clients": [("ann", "2017-01-01", "ann@example.org", "Oslo"), ("bob", "2017-01-02", "", "Rome")],
        "client_news": [("bob", "2017-01-02", "bob@example.org", "Rome"), ("cid", "2017-01-30", None, "Bonn")],
        "opt_outs": [("ann", "false", "2017-01-30 08:00:00"), ("ann", "true", "2017-01-30 08:00:00")],
    },
    D2: {
        "sales": [*sales(6, 4, D2), sale(6, at=D2), sale(1, at=D1, paid="9.99")],  # a double, a correction
        "client_news": [("dan", "2017-01-31", "dan@example.org", "Kiel")],
        "opt_outs": [("ann", "true", "2017-01-30 08:00:00"), ("bob", "true", "2017-01-31 08:00:00")],
    },
    D3: {
        "sales": [*sales(10, 4, D3), sale(50, at=D2)],  # the last is late
        "clients": [("ann", "2017-01-01", "ann@new.example", "Oslo"), ("dan", "2017-01-31", "dan@example.org", "Kiel")],
        "client_news": [("eva", "2017-02-01", "eva@example.org", "Lyon")],
    },
}


def table(settings: Settings, name: str, day: date) -> list[dict[str, Any]]:
    return Lake(settings.lake).arrow(name, day).to_pylist()


def run(settings: Settings, day: date, since: date | None, drops: Drops, malformed: int = 0) -> Manifest:
    ingest(settings, day, since, drops, malformed)
    return validate.run(settings, day)


@pytest.fixture(scope="module")
def history(small: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with three nights, one after the other."""
    settings = at(small, tmp_path_factory.mktemp("nights"))
    for day, since in ((D1, None), (D2, D1), (D3, D2)):
        run(settings, day, since, {day: HISTORY[day]})
    return settings


@pytest.fixture
def home(history: Settings, tmp_path: Path) -> Settings:
    """A copy of the three nights, to go on from."""
    shutil.copytree(history.home, tmp_path / "home")
    return at(history, tmp_path / "home")


def test_three_nights_give_what_one_night_of_all_gives(history: Settings, small: Settings, tmp_path: Path) -> None:
    at_once = run(at(small, tmp_path), D3, None, HISTORY)
    in_turn = Lake(history.lake).need(Stage.VALIDATE, D3)
    clean = [name for name in at_once.tables if name.startswith("clean/")]
    assert len(clean) == 4
    for name in clean:
        assert in_turn.tables[name].content == at_once.tables[name].content, name


def test_late_double_and_corrected_rows(history: Settings) -> None:
    lines = {row["order_id"]: row for row in table(history, "clean/order_lines", D3)}
    assert len(lines) == len(table(history, "clean/order_lines", D3)) == 14
    assert str(lines["s1"]["amount"]) == "9.9900"
    assert (lines["s50"]["ordered_on"], lines["s13"]["ordered_on"]) == (D2, D3)
    notes = {
        (row["table_name"], row["check_name"]): row["rows_failed"]
        for row in table(history, "quality/data_quality", D2)
        if row["kind"] == "note" and row["rows_failed"]
    }
    assert notes == {("order_lines", "double"): 1, ("order_lines", "late"): 1}


def test_snapshot_replaces_and_changes_of_its_day_come_on_top(history: Settings) -> None:
    def mails(day: date) -> dict[str, str]:
        return {row["customer_id"]: row["email"] for row in table(history, "clean/customers", day)}

    assert mails(D1) == {"ann": "ann@example.org", "bob": "bob@example.org", "cid": None}
    assert mails(D2) == {**mails(D1), "dan": "dan@example.org"}
    assert mails(D3) == {"ann": "ann@new.example", "dan": "dan@example.org", "eva": "eva@example.org"}


def test_refusal_wins_over_contradicting_consents(history: Settings) -> None:
    granted = {row["customer_id"]: row["granted"] for row in table(history, "clean/consents", D3)}
    assert granted == {"ann": False, "bob": True}


def test_a_sale_that_moves_over_the_end_of_a_month_counts_once(home: Settings) -> None:
    run(home, D4, D3, {D4: {"sales": [*sales(100, 5, D4), sale(2, at=D4)]}})
    days = [row["ordered_on"] for row in table(home, "clean/order_lines", D4) if row["order_id"] == "s2"]
    assert days == [D4]
    assert len(table(home, "clean/order_lines", D4)) == 14 + 5


def test_untouched_months_and_tables_are_taken_over(home: Settings) -> None:
    run(home, D4, D3, {D4: {"sales": sales(100, 5, D4)}})
    lake = Lake(home.lake)
    before, after = (lake.version("clean/order_lines", day).files for day in (D3, D4))
    january = {file.path for file in before if file.part == "2017-01"}
    assert january == {file.path for file in after if file.part == "2017-01"}
    assert {file.part for file in after} == {"2017-01", "2017-02"}
    assert not {file.path for file in before if file.part == "2017-02"} & {file.path for file in after}
    assert lake.version("clean/products", D4) == lake.version("clean/products", D1)
    assert not list(Path(home.lake).glob("*/staged-*/**/*.parquet"))


def test_what_another_night_has_staged_is_left_alone(home: Settings) -> None:
    other_night = Path(home.lake, "clean", "staged-order_lines", "ds=2017-03-01", "v=other", "part-0.parquet")
    other_night.parent.mkdir(parents=True)
    other_night.write_bytes(b"")
    run(home, D4, D3, {D4: {"sales": sales(100, 5, D4)}})
    assert list(Path(home.lake).glob("*/staged-*/**/*.parquet")) == [other_night]


def test_a_night_without_changes_keeps_its_version(history: Settings) -> None:
    lake = Lake(history.lake)
    published = lake.need(Stage.VALIDATE, D3)
    assert validate.run(history, D3).version == published.version
    assert published.facts["new_rows"]["order_lines"] == {"2017-02-01": 5}
    assert Path(history.home, published.facts["data_docs"]).exists()


def test_bad_rows_are_set_aside_with_their_rule_and_no_personal_value(
    home: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    drop = {
        "sales": [*sales(100, 5, D4), sale(105, at=D4, paid="a lot"), sale(106, at="soon"), sale(107, at=D4, sku=None)],
        "client_news": [("fay", "soon", CANARY, CANARY), ("gus", "2017-02-02", f"{CANARY} at home", "Oslo")],
    }
    manifest = run(home, D4, D3, {D4: drop}, malformed=1)
    aside = {row["_row"]: row for row in table(home, "quarantine/order_lines", D4) if row["rule"] != "malformed"}
    assert {row: (aside[row]["rule"], aside[row]["reason"]) for row in aside} == {
        6: ("cast:amount", "amount is no decimal(18,4)"),
        7: ("cast:ordered_at", "ordered_at is no timestamp; ordered_on must be there"),
        8: ("required:line_id", "line_id must be there; product_id must be there"),
    }
    assert aside[6]["raw"] == (
        '{"sale":"s105","client":"ann","sku":"apple","at":"2017-02-02 10:00:00","pieces":"1","paid":"a lot"}'
    )
    (client,) = table(home, "quarantine/customers", D4)
    assert (client["rule"], client["raw"]) == ("cast:registered_on", '{"client":"fay","since":"soon"}')
    assert manifest.facts["quarantined"]["order_lines"] == {
        "cast:amount": 1,
        "cast:ordered_at": 1,
        "malformed": 1,
        "required:line_id": 1,
    }
    assert manifest.facts["quarantined_rows"] == 5
    mails = {row["customer_id"]: row["email"] for row in table(home, "clean/customers", D4)}
    assert (mails["gus"], mails["ann"]) == (None, "ann@new.example")  # the customer is one without the mail
    assert manifest.facts["values_set_aside"] == {"customers": {"email": 1}}
    actual = caplog.text + str(table(home, "quality/data_quality", D4)) + str(table(home, "quarantine/customers", D4))
    actual += "".join(path.read_text() for path in Path(home.lake, "_nights").rglob("*.json"))
    for folder in ("gx", "data_docs"):
        actual += "".join(
            path.read_text(errors="replace")
            for path in Path(home.home, folder).rglob("*")
            if path.suffix in {".html", ".json", ".yml"}
        )
    assert "format:email" in actual
    assert "canary" not in actual


def test_refused_night_lists_all_reasons_and_the_previous_night_stays(home: Settings) -> None:
    lake = Lake(home.lake)
    before = (lake.days(Stage.VALIDATE), table(home, "clean/order_lines", D3))
    drop = {
        "sales": [
            *(sale(100 + n, at=D3, sku="plum") for n in range(8)),  # too old, unknown
            *(sale(200 + n, at=D3, paid="?") for n in range(12)),  # unreadable
            sale(1, at=D3),
        ]
    }
    ingest(home, D4, D3, {D4: drop})
    with pytest.raises(DataError) as caught:
        validate.run(home, D4)
    index = Path(home.home, "data_docs", str(D4), "index.html")
    assert str(caught.value).splitlines() == [
        f"the night {D4} is refused by 4 table rule(s):",
        "  order_lines: freshness: the newest row is of 2017-02-01; expected: rows of 2017-02-02",
        "  order_lines: volume: 21 new rows in the drop of 2017-02-02; "
        "expected: 2 to 15, from the median 5 of 3 drop days",
        "  order_lines: rejected_share: 12 of 21 rows are quarantined: cast:amount 12; expected: at most 50.00%",
        "  order_lines: references:product_id: 1 of 9 new rows have their product_id in products; "
        "expected: at least 90.00%",
        f"the previous night stays; see {index}, have the exports mended, "
        f"then run `nbo ingest --ds {D4}` and `nbo validate --ds {D4}`",
    ]
    assert (lake.days(Stage.VALIDATE), table(home, "clean/order_lines", D3)) == before
    assert not list(Path(home.lake).glob(f"clean/*/ds={D4}/*"))
    assert "the night" in "".join(page.read_text() for page in index.parent.rglob("*.html"))


def test_day_without_the_daily_rows_is_refused_unless_it_is_closed(home: Settings) -> None:
    ingest(home, D4, D3, {D4: {"opt_outs": [("cid", "true", "2017-02-02 08:00:00")]}})
    with pytest.raises(DataError, match="freshness: the newest row is of 2017-02-01") as caught:
        validate.run(home, D4)
    assert "volume: 0 new rows in the drop of 2017-02-02" in str(caught.value)
    closed = home.model_copy(update={"source": home.source.model_copy(update={"closed_days": ["02-02"]})})
    assert validate.run(closed, D4).tables["clean/order_lines"] == Lake(home.lake).version("clean/order_lines", D3)


def test_files_of_another_shape_are_refused(home: Settings) -> None:
    lake = Lake(home.lake)
    base = lake.need(Stage.VALIDATE, D3)
    (file,) = base.tables["clean/products"].files
    changed = lake.arrow("clean/products", D3).drop_columns(["brand"])
    pa.parquet.write_table(changed, f"{lake.base}/{file.path}")
    ingest(home, D4, D3, {D4: {"sales": sales(100, 5, D4)}})
    with pytest.raises(DataError, match="products: schema: brand is missing in a file; expected: the columns"):
        validate.run(home, D4)


def test_night_needs_the_night_it_builds_on(home: Settings) -> None:
    ingest(home, D4, D3, {D4: {"sales": sales(100, 5, D4)}})
    ingest(home, D3, D2, {D3: {"sales": sales(10, 5, D3)}})
    with pytest.raises(DataError, match=r"2017-02-01, which is ingested anew since it was validated; run `nbo"):
        validate.run(home, D4)
    Path(home.lake, "_nights", "validate", f"{D3}.json").unlink()
    with pytest.raises(DataError, match=r"builds on 2017-02-01, which is not validated"):
        validate.run(home, D4)


def test_rule_that_cannot_be_evaluated_stops_the_night(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    import great_expectations.expectations as gxe

    from expectations.rules import Rule
    from expectations.suites import SUITES

    wrong = Rule("wrong", "", ("order_id",), gxe.ExpectColumnValuesToBeBetween(column="order_id", min_value=1))
    monkeypatch.setitem(SUITES, "order_lines", (*SUITES["order_lines"], wrong))
    ingest(home, D4, D3, {D4: {"sales": sales(100, 5, D4)}})
    with pytest.raises(DataError, match=r"the suite of order_lines cannot be evaluated:\n  wrong: "):
        validate.run(home, D4)


def test_expression_that_does_not_work_is_named(home: Settings) -> None:
    raw = home.source.model_dump()
    raw["tables"]["order_lines"]["parts"][0]["columns"]["amount"] = "paid_at_last"
    broken = home.model_copy(update={"source": Source.model_validate(raw)})
    ingest(home, D4, D3, {D4: {"sales": sales(100, 5, D4)}})
    with pytest.raises(ConfigError, match=r"order_lines\.amount over export sales: `paid_at_last` does not work"):
        validate.run(broken, D4)


def test_books_of_needs_name_only_what_is_there(small: Settings, tmp_path: Path) -> None:
    raw = small.source.model_dump()
    raw["tables"] |= BOOKS
    raw["tables"]["products"]["parts"][0]["columns"]["product_type"] = "sku"
    settings = at(small.model_copy(update={"source": Source.model_validate(raw)}), tmp_path)
    first = {
        "sales": sales(1, 5, D1),
        "goods": GOODS,
        "need_groups": [("g1", "At home")],
        "wishes": [("w1", "Sweet", "g1"), ("w2", "Lost", "g9"), ("w3", "Free", None)],
        "answers": [("apple", "w1"), ("apple", "w2"), ("plum", "w1"), ("plum", "w9")],
    }
    run(settings, D1, None, {D1: first})
    later = {"sales": sales(6, 5, D2), "answers": [("pear", "w3"), ("pear", "w2")]}
    run(settings, D2, D1, {D2: later})

    def aside(name: str, day: date) -> list[tuple[str, str, int]]:
        return sorted((row["rule"], row["reason"], row["_row"]) for row in table(settings, f"quarantine/{name}", day))

    no_need, no_type = "need_id must be found in needs.need_id", "characteristic must be found in products.product_type"
    assert aside("needs", D1) == [
        ("reference:need_category_id", "need_category_id must be found in need_categories.need_category_id", 2)
    ]
    assert aside("characteristic_needs", D1) == [
        ("reference:characteristic", no_type, 3),
        ("reference:characteristic", f"{no_type}; {no_need}", 4),
        ("reference:need_id", no_need, 2),  # the need itself was rejected
    ]
    assert aside("characteristic_needs", D2) == [("reference:need_id", no_need, 2)]  # the books are those of before
    assert [row["need_id"] for row in table(settings, "clean/needs", D2)] == ["w1", "w3"]
    links = [(row["characteristic"], row["need_id"]) for row in table(settings, "clean/characteristic_needs", D2)]
    assert sorted(links) == [("apple", "w1"), ("pear", "w3")]
