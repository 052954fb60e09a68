"""Exports that are queries: what is new, one state of the database, types as text, and that no secret is shown."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from conf.errors import ConfigError, DataError, TransientError
from jobs.ingest import databases

ORDERS = "select id, total, at from orders where at >= :since and at < :until order by id"


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shop's database; days are in UTC, two orders fall on 2 March in Berlin."""
    file = tmp_path / "shop.db"
    with sqlite3.connect(file) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("create table orders (id integer, total numeric, at text)")
        connection.execute("create table people (id integer, name text, photo blob)")
        connection.executemany(
            "insert into orders values (?, ?, ?)",
            [
                (1, 19.5, "2020-01-01 00:00:00"),
                (2, 7, "2026-03-01 23:30:00"),
                (3, None, "2026-03-02 22:59:59"),
                (4, 1, "2026-03-02 23:00:00"),
            ],
        )
        connection.execute("insert into people values (20250000123, 'Зоя', x'00')")
    monkeypatch.setenv("SHOP_URL", f"sqlite:///{file}")
    return file


def query(text: str, **changes: Any) -> dict[str, Any]:
    """An export of the shop's database."""
    return {"database": {"url": "SHOP_URL", "query": text, "zone": "UTC"}, **changes}


def test_each_night_brings_what_is_new_in_days_of_the_shop(shop: Callable[..., Any], base: Path) -> None:
    crm = shop({"orders": query(ORDERS, columns=["id", "total", "at"])})
    assert crm.night() == [
        {"id": "1", "total": "19.5", "at": "2020-01-01 00:00:00"},
        {"id": "2", "total": "7", "at": "2026-03-01 23:30:00"},
        {"id": "3", "total": None, "at": "2026-03-02 22:59:59"},
    ]
    assert [row["id"] for row in crm.night(1)] == ["4"], "23:00 in UTC is the next day in Berlin"


def test_a_snapshot_needs_no_bounds_and_ids_keep_their_digits(shop: Callable[..., Any], base: Path) -> None:
    crm = shop({"people": query("select id, name, id * 1.0 as twice from people", columns=["id", "name", "twice"])})
    assert crm.night(0, "people") == [{"id": "20250000123", "name": "Зоя", "twice": "20250000123"}]


def test_all_queries_see_one_state(shop: Callable[..., Any], base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crm = shop({name: query(f"select id from orders -- {name}", columns=["id"]) for name in ("first", "second")})
    real = databases._to_parquet

    def slow(connection: Any, name: str, *rest: Any) -> Any:
        result = real(connection, name, *rest)
        with sqlite3.connect(base) as writer:
            writer.execute("insert into orders values (99, 1, '2026-03-02')")
        return result

    monkeypatch.setattr(databases, "_to_parquet", slow)
    assert len(crm.night(0, "first")) == len(crm.night(0, "second")) == 4


def test_chunks_have_one_type(shop: Callable[..., Any], base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "CHUNK", 1)
    crm = shop({"orders": query("select id, total from orders order by total", columns=["id", "total"])})
    assert [row["total"] for row in crm.night()] == [None, "1", "7", "19.5"]


FAULTS: dict[str, tuple[str, dict[str, Any], type[Exception], str]] = {
    "no such table": ("select id from order_s", {}, TransientError, "no such table: order_s"),
    "column missing": ("select total from orders", {}, DataError, "exports.orders: has no header"),
    "nothing new": ("select id from orders where at > '2027' and at > :since", {}, DataError, "is empty (no row)"),
    "binary": ("select photo as id from people", {}, DataError, "a column holds bytes, which is no text"),
    "too much": ("select id from orders", {"max_bytes": 9}, DataError, "holds more than 9 bytes"),
    "a write": ("delete from orders returning id", {}, TransientError, "readonly database"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_named(shop: Callable[..., Any], base: Path, case: str) -> None:
    text, changes, kind, message = FAULTS[case]
    crm = shop({"orders": query(text, columns=["id"], **changes)})
    with pytest.raises(kind) as caught:
        crm.night()
    assert message in str(caught.value)


def test_the_url_comes_from_the_environment_and_stays_there(
    shop: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    crm = shop({"orders": query("select 1 as id", columns=["id"])})
    monkeypatch.delenv("SHOP_URL", raising=False)
    with pytest.raises(ConfigError, match="the environment variable SHOP_URL is not set"):
        crm.night()
    for url in ("postgresql+psycopg://u:canary@127.0.0.1:1/x", "nonsense:canary", "mysql+pymysql://u:canary@h/x"):
        monkeypatch.setenv("SHOP_URL", url)
        with pytest.raises((ConfigError, TransientError)) as caught:
            crm.night()
        assert "canary" not in str(caught.value)


def test_postgresql_is_read_in_one_snapshot_through_a_server_side_cursor(
    shop: Callable[..., Any], postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "CHUNK", 2)
    monkeypatch.setenv("SHOP_URL", postgresql)
    url = sa.make_url(postgresql).set(drivername="postgresql+psycopg")
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql("drop table if exists sales")
        connection.exec_driver_sql(
            "create table sales as select n as id, "
            "round(n * 1234567890123::numeric / 100, 2) as total, mod(n, 2) = 0 as paid, "
            "timestamptz '2026-03-02 08:00:00+01' as at, date '2026-03-02' as day from generate_series(1, 3) n"
        )
    columns = ["id", "total", "paid", "at", "day"]
    crm = shop(
        {
            "sales": query("select * from sales order by id", columns=columns),
            "count": query("select count(*) as n from sales where at >= :since and at < :until", columns=["n"]),
        }
    )
    first, *_, last = crm.night(0, "sales")
    assert (first["id"], first["total"], first["paid"], first["day"]) == ("1", "12345678901.23", "false", "2026-03-02")
    assert first["at"].startswith("2026-03-02 ")
    assert first["at"][-6] in "+-", "a moment keeps its offset"
    assert last["total"] == "37037036703.69"
    assert crm.night(0, "count") == [{"n": "3"}]
