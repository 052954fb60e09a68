"""A night reaches SQLite and a real PostgreSQL whole or not at all, whatever happens meanwhile."""

from __future__ import annotations

import ast
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from conf.errors import ConfigError, DataError, NboError, TransientError
from conf.tables.types import arrow_schema
from jobs.database import database
from training.tables import PUBLISHED

DAY, EARLIER = date(2017, 12, 3), date(2017, 12, 2)
PASSWORD = "canary p@ss/word"


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/scores #1.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PAUSES", (0.01, 0.02))
    monkeypatch.setattr(database, "LOCK_WAIT", 1)


def night(day: date, customers: int, mark: str) -> dict[str, pa.Table]:
    """A night's tables with ``customers`` rows each, all marked in a text column."""
    who = [f"c{i}" for i in range(customers)]
    outcome = {"offers_of": [EARLIER], "offer_kind": ["coupon"], "slice": ["all"], "method": ["nbo"]}
    outcome |= {"metric": [mark], "value": [0.5], "customers": [9], "is_replay": [True]}
    scores = {"customer_id": who, "segment_id": mark, "segment_name": mark, "is_cold": True, "churn_band": None}
    scores |= {"recency_days": 3, "spend_84": 1.25, "is_valuable": False, "treatment": "treated", "contactable": True}
    run = {"published_at": [pa.scalar(1_512_345_678, pa.timestamp("s", "UTC")).as_py()], "scores_version": [mark]}
    run |= {"scores_content": [mark], "code_version": [""], "config_hash": [""], "customers": [customers]}
    run |= {"offers": [0], "order_lines": [0], "quarantined_rows": [0]}
    result = {"offer_outcomes": outcome, "customer_scores": scores, "nightly_runs": run}
    return {name: _table(name, day, columns) for name, columns in result.items()}


def _table(name: str, day: date, columns: dict[str, object]) -> pa.Table:
    declared = arrow_schema(PUBLISHED[name])
    size = next(len(value) for value in columns.values() if isinstance(value, list))
    values = {**dict.fromkeys(declared.names), **columns, "ds": day}
    return pa.table({k: v if isinstance(v, list) else [v] * size for k, v in values.items()}, schema=declared)


def seen(url: str, day: date = DAY) -> tuple[int, set[str]]:
    """Rows and marks of a night's customer scores."""
    result = database.rows(url, "customer_scores", ds=day)
    return len(result), {row["segment_id"] for row in result}


def query(url: str, text: str) -> list[tuple[object, ...]]:
    with database.connect(url) as connection:
        return [tuple(row) for row in connection.exec_driver_sql(text)]


def place(url: str) -> str:
    return "" if url.startswith("sqlite") else "nbo."


# --- what is written


def test_values_arrive_with_their_types(url: str) -> None:
    loaded = database.replace(url, DAY, night(DAY, 3, "a"))
    assert loaded == {"offer_outcomes": 1, "customer_scores": 3, "nightly_runs": 1}
    row = database.rows(url, "customer_scores", ds=DAY, customer_id="c1")[0]
    assert (row["ds"], row["recency_days"], row["spend_84"]) == ("2017-12-03", 3, 1.25)
    assert (row["is_cold"], row["is_valuable"], row["churn_band"]) == (True, False, None)
    assert str(database.rows(url, "nightly_runs")[0]["published_at"])[:19] == "2017-12-04 00:01:18"


def test_sqlite_keeps_dates_as_text(sqlite: str) -> None:
    database.replace(sqlite, DAY, night(DAY, 1, "a"))
    kinds = query(sqlite, "select typeof(ds), ds, typeof(is_cold), typeof(spend_84) from customer_scores")
    assert kinds == [("text", "2017-12-03", "integer", "real")]
    assert query(sqlite, "select published_at from nightly_runs") == [("2017-12-04 00:01:18",)]
    assert query(sqlite, "pragma journal_mode") == [("wal",)]


def test_publishing_again_replaces_the_night_and_leaves_others(url: str) -> None:
    database.replace(url, EARLIER, night(EARLIER, 2, "old"))
    database.replace(url, DAY, night(DAY, 5, "a"))
    database.replace(url, DAY, night(DAY, 3, "b"))
    assert seen(url) == (3, {"b"})
    assert seen(url, EARLIER) == (2, {"old"})
    assert len(database.rows(url, "nightly_runs")) == 2


def test_replacing_one_table_leaves_the_others_of_the_night(url: str) -> None:
    database.replace(url, DAY, night(DAY, 2, "a"))
    database.replace(url, DAY, {"offer_outcomes": night(DAY, 2, "b")["offer_outcomes"]})
    assert [row["metric"] for row in database.rows(url, "offer_outcomes")] == ["b"]
    assert seen(url) == (2, {"a"})


def test_a_backfill_of_an_older_night_leaves_the_current_views(url: str) -> None:
    database.replace(url, DAY, night(DAY, 2, "new"))
    database.replace(url, EARLIER, night(EARLIER, 4, "old"))
    view = query(url, f"select segment_id, count(*) from {place(url)}current_customer_scores group by 1")
    assert view == [("new", 2)]
    assert database.newest(url) == DAY


def test_of_a_newest_only_table_an_older_night_is_left_out(url: str) -> None:
    def tables(day: date) -> dict[str, pa.Table]:
        pair = {"product_id": ["p"], "other": [str(day)], "rank": [1], "source": ["words"], "score": [0.5]}
        return night(day, 2, "a") | {"similar_products": _table("similar_products", day, pair)}

    assert PUBLISHED["similar_products"].newest_only
    database.replace(url, DAY, tables(DAY))
    assert database.replace(url, EARLIER, tables(EARLIER))["similar_products"] == 0
    assert [row["ds"] for row in database.rows(url, "similar_products")] == [str(DAY)]
    assert database.count(url, "customer_scores", ds=EARLIER) == 2
    later = DAY + timedelta(days=1)
    assert database.replace(url, later, tables(later))["similar_products"] == 1
    assert [row["ds"] for row in database.rows(url, "similar_products")] == [str(later)]


def test_a_table_may_be_empty(url: str) -> None:
    tables = night(DAY, 2, "a")
    database.replace(url, DAY, tables | {"customer_scores": tables["customer_scores"].slice(0, 0)})
    assert seen(url) == (0, set())


def test_columns_come_in_any_order_and_type_width(url: str) -> None:
    tables = night(DAY, 2, "a")
    scores = tables["customer_scores"].drop_columns(["ds"])
    scores = scores.select(scores.schema.names[::-1]).set_column(
        scores.schema.names[::-1].index("recency_days"), "recency_days", pa.array([7, 7], pa.int64())
    )
    database.replace(url, DAY, {"customer_scores": scores})
    assert {row["recency_days"] for row in database.rows(url, "customer_scores")} == {7}


def test_rows_that_do_not_fit_are_refused_and_the_old_night_stays(url: str) -> None:
    database.replace(url, DAY, night(DAY, 2, "a"))
    scores = night(DAY, 2, "b")["customer_scores"]
    with pytest.raises(DataError, match=r"customer_scores: column\(s\) \['segment_id'\] are missing"):
        database.replace(url, DAY, {"customer_scores": scores.drop_columns(["segment_id"])})
    with pytest.raises(DataError, match=r"2 row\(s\) are not of the night 2017-12-02"):
        database.replace(url, EARLIER, {"customer_scores": scores})
    with pytest.raises(DataError, match="refused the rows"):
        database.replace(url, DAY, {"customer_scores": pa.concat_tables([scores, scores])})
    assert seen(url) == (2, {"a"})


# --- tables and views


def test_a_new_column_is_added_to_old_tables_and_views(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    database.replace(url, DAY, night(DAY, 2, "a"))
    query_drop = f"alter table {place(url)}customer_scores drop column churn_reasons"
    with database.connect(url) as connection:
        connection.exec_driver_sql(f"drop view {place(url)}current_customer_scores")
        connection.exec_driver_sql(query_drop)
        names = f"select * from {place(url)}customer_scores where ds = (select max(ds) from {place(url)}nightly_runs)"
        connection.exec_driver_sql(f"create view {place(url)}current_customer_scores as {names}")
        connection.commit()
    tables = night(DAY, 1, "b")
    scores = tables["customer_scores"].drop_columns(["churn_reasons"]).append_column("churn_reasons", [["late"]])
    database.replace(url, DAY, tables | {"customer_scores": scores})
    assert query(url, f"select churn_reasons from {place(url)}current_customer_scores") == [("late",)]


def test_postgresql_has_comments_partitions_and_indexes(postgresql: str) -> None:
    database.replace(postgresql, DAY, night(DAY, 2, "a"))
    database.replace(postgresql, EARLIER, night(EARLIER, 2, "a"))
    about = (
        "select obj_description('nbo.customer_scores'::regclass), col_description('nbo.customer_scores'::regclass, 2)"
    )
    assert query(postgresql, about) == [("one customer on one night", "the CRM's key of the customer")]
    parts = (
        "select inhrelid::regclass::text from pg_inherits where inhparent = 'nbo.customer_scores'::regclass order by 1"
    )
    assert query(postgresql, parts) == [("nbo.customer_scores_20171202",), ("nbo.customer_scores_20171203",)]
    indexes = "select count(*) from pg_indexes where schemaname = 'nbo' and tablename = 'customer_scores_20171203'"
    assert query(postgresql, indexes) == [(2,)]


def test_a_table_of_before_it_had_partitions_gets_them_and_keeps_its_rows(postgresql: str) -> None:
    members = {"customer_id": ["c0"], "segment_id": ["S"], "family": ["behaviour"]}
    tables = night(DAY, 2, "a") | {"segment_members": _table("segment_members", DAY, members)}
    database.replace(postgresql, EARLIER, night(EARLIER, 2, "a"))
    with database.connect(postgresql) as connection:
        for text in (
            "drop view nbo.current_segment_members",
            "drop table nbo.segment_members",
            "create table nbo.segment_members"
            " (ds date, customer_id text, segment_id text, primary key (ds, customer_id))",
            "create index ix_segment_members_customer_id on nbo.segment_members (customer_id)",
            "create view nbo.current_segment_members as select * from nbo.segment_members",
            f"insert into nbo.segment_members values ('{EARLIER}', 'c0', 'R'), ('{DAY}', 'gone', 'R')",
        ):
            connection.exec_driver_sql(text)
        connection.commit()
    database.replace(postgresql, DAY, tables)
    result = [
        (row["ds"], row["customer_id"], row["segment_id"]) for row in database.rows(postgresql, "segment_members")
    ]
    assert result == [(str(EARLIER), "c0", "R"), (str(DAY), "c0", "S")]
    parts = "select count(*) from pg_inherits where inhparent = 'nbo.segment_members'::regclass"
    assert query(postgresql, parts) == [(2,)]
    assert query(postgresql, "select customer_id from nbo.current_segment_members") == [("c0",)]
    assert query(postgresql, "select count(*) from pg_class where right(relname, 7) = '_before'") == [(0,)]
    database.replace(postgresql, DAY, tables)
    assert database.count(postgresql, "segment_members") == 2


def test_a_changed_comment_is_renewed(postgresql: str) -> None:
    database.replace(postgresql, DAY, night(DAY, 1, "a"))
    with database.connect(postgresql) as connection:
        connection.exec_driver_sql("comment on column nbo.customer_scores.ds is 'stale'")
        connection.commit()
    database.replace(postgresql, DAY, night(DAY, 1, "a"))
    result = query(postgresql, "select col_description('nbo.customer_scores'::regclass, 1)")
    assert result == [("the night: last local day whose data counts",)]


def test_migrating_again_does_not_wait_for_readers(postgresql: str) -> None:
    database.replace(postgresql, DAY, night(DAY, 1, "a"))
    with database.connect(postgresql) as reader:
        reader.exec_driver_sql("select * from nbo.current_customer_scores").fetchall()
        database.replace(postgresql, DAY, night(DAY, 2, "b"))
        database.replace(postgresql, EARLIER, night(EARLIER, 1, "c"))
    assert seen(postgresql) == (2, {"b"})


# --- what goes wrong meanwhile

KILLER = """
import json, os, sys
sys.path.insert(0, {tests!r})
from adbc_driver_manager import dbapi
from jobs.database import database
import test_database as t

def kill(owner, name, when):
    honest, left = getattr(owner, name), [when]
    def wrapped(*args, **options):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), 9)
        return honest(*args, **options)
    setattr(owner, name, wrapped)

POINTS = [(dbapi.Cursor, "execute", n) for n in range(1, 5)] + [(dbapi.Cursor, "adbc_ingest", n) for n in range(1, 4)]
POINTS += [(database, "_typed", n) for n in range(1, 4)]
POINTS += [(dbapi.Connection, "commit", 1), (dbapi.Cursor, "execute", 99)]
for owner, name, when in POINTS:
    child = os.fork()
    if child == 0:
        kill(owner, name, when)
        database.replace(sys.argv[1], t.DAY, t.night(t.DAY, 2000, "new"))
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    count, marks = t.seen(sys.argv[1])
    print(json.dumps([name, when, code, count, *marks]))
"""


def test_a_kill_at_any_step_leaves_the_old_night_or_the_new(url: str) -> None:
    database.replace(url, DAY, night(DAY, 3, "old"))
    script = KILLER.format(tests=str(Path(__file__).parent))
    ended = subprocess.run([sys.executable, "-c", script, url], capture_output=True, text=True, check=True)
    *killed, last = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(killed) == 11
    assert {tuple(point[2:]) for point in killed} == {(-9, 3, "old")}, killed
    assert last[2:] == [0, 2000, "new"]
    if url.startswith("sqlite"):
        assert query(url, "pragma integrity_check") == [("ok",)]


def test_a_terminated_session_is_tried_again_without_duplicates(
    postgresql: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[str] = []
    honest = database._batches

    def cut(name: str, *rest: object) -> pa.RecordBatchReader:
        calls.append(name)
        if calls == ["offer_outcomes", "customer_scores"]:
            with database.connect(postgresql) as other:
                other.exec_driver_sql(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where pid <> pg_backend_pid() and datname = current_database()"
                )
        return honest(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(database, "_batches", cut)
    database.replace(postgresql, DAY, night(DAY, 4, "a"))
    assert seen(postgresql) == (4, {"a"})
    assert calls.count("offer_outcomes") == 2
    assert "cannot be reached" in caplog.text


def test_a_server_that_is_down_ends_after_three_tries_and_never_shows_the_password(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = sa.URL.create("postgresql", "nbo", PASSWORD, "127.0.0.1", port, "crm").render_as_string(hide_password=False)
    with pytest.raises(TransientError, match=f"PostgreSQL nbo@127.0.0.1:{port}/crm cannot") as info:
        database.replace(url, DAY, night(DAY, 1, "a"))
    assert info.value.exit_code == 75
    assert len([r for r in caplog.records if "the next try is in" in r.getMessage()]) == 2
    shown = caplog.text + str(info.value) + repr(info.value.__cause__)
    assert not [secret for secret in (PASSWORD, "canary", "p%40ss") if secret in shown]


def test_a_password_in_a_drivers_message_is_masked() -> None:
    url = sa.URL.create("postgresql", "nbo", PASSWORD, "db", 5432, "crm").render_as_string(hide_password=False)
    shown = str(database._explain(url, Exception(f"bad URL {url} with {PASSWORD}"), None))
    assert "canary" not in shown
    assert "***" in shown


def test_a_table_locked_by_an_analyst_ends_with_a_clear_error(postgresql: str) -> None:
    database.replace(postgresql, DAY, night(DAY, 2, "a"))
    with database.connect(postgresql) as analyst:
        analyst.exec_driver_sql("lock table nbo.customer_scores")
        started = time.monotonic()
        with pytest.raises(TransientError, match="locked by another session for more than 1 s"):
            database.replace(postgresql, DAY, night(DAY, 3, "b"))
        assert time.monotonic() - started < 10
    assert seen(postgresql) == (2, {"a"})


def test_sqlite_locked_by_another_writer_ends_with_a_clear_error(sqlite: str) -> None:
    database.replace(sqlite, DAY, night(DAY, 2, "a"))
    locker = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('begin immediate'); print(); input()"
    with running(locker, sqlite.removeprefix("sqlite:///")) as other:
        other.stdout.readline()
        with pytest.raises(TransientError, match="locked by another session for more than 1 s"):
            database.replace(sqlite, DAY, night(DAY, 3, "b"))
        scores = night(DAY, 1, "b")["customer_scores"]
        with pytest.raises(TransientError, match="locked by another session"):  # after the tables were made ready
            database._load(sqlite, DAY, {"customer_scores": database._as_declared("customer_scores", DAY, scores)})
    assert seen(sqlite) == (2, {"a"})


def test_a_full_disk_leaves_the_old_night(sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    database.replace(sqlite, DAY, night(DAY, 2, "a"))
    pages = query(sqlite, "pragma page_count")[0][0]
    honest = database._adbc

    @contextmanager
    def small(*given: object) -> Iterator[object]:
        with honest(*given) as connection:  # type: ignore[arg-type]
            with connection.cursor() as cursor:
                cursor.execute(f"pragma max_page_count = {int(str(pages)) + 2}")
            yield connection

    monkeypatch.setattr(database, "_adbc", small)
    with pytest.raises(NboError, match=r"has no room; free space and run again \(the night is as it was\)"):
        database.replace(sqlite, DAY, night(DAY, 50_000, "b"))
    assert seen(sqlite) == (2, {"a"})
    assert query(sqlite, "pragma integrity_check") == [("ok",)]


READER = """
import sys
import sqlalchemy as sa

engine = sa.create_engine(sys.argv[1])
prefix = "nbo." if engine.dialect.name == "postgresql" else ""
text = (f"select (select count(*) from {prefix}current_customer_scores), min(segment_id), max(segment_id),"
        f" (select max(scores_content) from {prefix}nightly_runs) from {prefix}current_customer_scores")
found, told = set(), False
with engine.connect() as connection:
    while not any(row[3] == "3" for row in found):
        found.update(tuple(row) for row in connection.exec_driver_sql(text))
        connection.rollback()
        if not told:
            told = print(flush=True) is None
print(sorted(found))
"""


def test_a_polling_reader_sees_only_whole_nights(url: str) -> None:
    database.replace(url, DAY, night(DAY, 500, "0"))
    driver = url.replace("postgresql:", "postgresql+psycopg:")
    with running(READER, driver) as reader:
        reader.stdout.readline()
        for mark in ("1", "2", "3"):
            database.replace(url, DAY, night(DAY, 500 + int(mark), mark))
        result = ast.literal_eval(reader.communicate(timeout=60)[0].strip())
    assert set(result) <= {(500 + i, str(i), str(i), str(i)) for i in range(4)}
    assert result[-1][0] == 503


@contextmanager
def running(script: str, argument: str) -> Iterator[Any]:
    """Another process, ended at the end."""
    other = subprocess.Popen(
        [sys.executable, "-c", script, argument], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield other
    finally:
        other.kill()
        other.wait()


# --- URLs


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "malformed"),
        ("mysql://me@host/db", "kind mysql cannot be used"),
        ("sqlite://", "kind sqlite cannot be used"),
        ("oracle9://x", "cannot be used|malformed"),
    ],
)
def test_other_databases_are_refused(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        database.describe(url)


def test_the_description_has_no_password() -> None:
    assert database.describe("postgresql://me:secret@host/crm?sslmode=require") == "PostgreSQL me@host/crm"


def test_an_empty_database_has_no_newest_night(url: str) -> None:
    assert database.newest(url) is None
    with pytest.raises(DataError, match="has no table next_best_offer; run `nbo publish` first"):
        database.rows(url, "next_best_offer")
