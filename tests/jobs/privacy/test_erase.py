"""A customer is erased from a home of two nights, and does not come back with the next delivery."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from conf.errors import ConfigError, DataError
from conf.settings.load import load
from conf.settings.schema import Settings, Spark
from conf.settings.source import Source
from jobs.ingest import ingest
from jobs.inputs import erased
from jobs.lake.lake import Lake
from jobs.privacy.erase import Receipt, erase
from jobs.stages import Stage
from jobs.validate import validate

pytestmark = pytest.mark.spark
D1, D2, D3 = date(2025, 3, 2), date(2025, 3, 3), date(2025, 3, 4)
GONE = ("KEY-77012", "gone.person@example.org")
COLUMNS = {
    "orders": ["order_no", "customer", "sku", "total", "at"],
    "people": ["code", "mail"],
    "answers": ["who", "ok", "at"],
}
SOURCE: dict[str, Any] = {
    "name": "shop",
    "title": "A shop",
    "timezone": "UTC",
    "currency": "EUR",
    "history_starts": str(D1),
    "consent": {"recorded": True},
    "exports": {
        name: {"path": f"{{date}}/{name}.csv", "format": "csv", "schedule": "optional", "columns": columns}
        for name, columns in COLUMNS.items()
    },
    "tables": {
        "order_lines": {
            "max_rejected": 0.9,
            "max_volume_change": 1000,
            "parts": [
                {
                    "export": "orders",
                    "columns": {
                        "order_id": "order_no",
                        "line_id": "sku",
                        "customer_id": "customer",
                        "product_id": "sku",
                        "ordered_at": "to_timestamp(at)",
                        "ordered_on": "to_date(at)",
                        "quantity": "'1'",
                        "amount": "total",
                        "discount": "'0'",
                        "is_return": "false",
                    },
                }
            ],
        },
        "customers": {
            "max_rejected": 0.9,
            "parts": [{"export": "people", "columns": {"customer_id": "code", "email": "lower(mail)"}}],
        },
        "consents": {
            "max_rejected": 0.9,
            "parts": [
                {
                    "export": "answers",
                    "columns": {
                        "customer_id": "concat('KEY-', who)",  # put together: not ingest, only validation has the key
                        "channel": "'email'",
                        "purpose": "'marketing'",
                        "granted": "ok",
                        "changed_at": "to_timestamp(at)",
                    },
                }
            ],
        },
    },
}
#: of the customer who is erased: two good lines, one that quarantine holds, a blank at the key's end
DROPS: dict[date, dict[str, list[tuple[str, ...]]]] = {
    D1: {
        "orders": [
            ("1", GONE[0], "A", "10.00", f"{D1} 10:00:00"),
            ("2", "C2", "A", "20.00", f"{D1} 11:00:00"),
            ("3", f"{GONE[0]} ", "B", "not money", f"{D1} 12:00:00"),
        ],
        "people": [GONE, ("C2", "stays@example.org")],
        "answers": [("77012", "yes", f"{D1} 09:00:00"), ("2", "yes", f"{D1} 09:00:00")],
    },
    D2: {"orders": [("4", GONE[0], "B", "30.00", f"{D2} 10:00:00"), ("5", "C2", "B", "40.00", f"{D2} 10:00:00")]},
    D3: {
        "orders": [("6", f"{GONE[0]} ", "A", "50.00", f"{D3} 10:00:00"), ("7", "C2", "A", "60.00", f"{D3} 10:00:00")],
        "people": [GONE],
        "answers": [("77012", "yes", f"{D3} 09:00:00")],
    },
}


def others(drops: dict[date, dict[str, list[tuple[str, ...]]]]) -> dict[date, dict[str, list[tuple[str, ...]]]]:
    """Return the deliveries of a CRM that never had the customer."""
    return {
        day: {
            name: [row for row in rows if not {GONE[0], "77012"} & {cell.strip() for cell in row}]
            for name, rows in files.items()
        }
        for day, files in drops.items()
    }


def deliver(settings: Settings, day: date, drops: dict[date, dict[str, list[tuple[str, ...]]]]) -> None:
    """Write the exports of a day and run ingest and validate on them."""
    folder = Path(settings.exports, str(day))
    folder.mkdir(parents=True)
    for name, rows in drops[day].items():
        if rows:
            with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as stream:
                csv.writer(stream).writerows([COLUMNS[name], *rows])
    ingest.run(settings, day)
    validate.run(settings, day)


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Settings]:
    """Return a maker of settings with a home of their own."""
    root = tmp_path_factory.mktemp("erasing")

    def at(name: str) -> Settings:
        home = root / name
        small = Spark(master="local[2]", driver_memory="1g", shuffle_partitions=2)
        places = {"home": home, "lake": home / "lake", "exports": root / f"{name}.crm"}
        update = {key: str(place) for key, place in places.items()}
        return load().model_copy(
            update={
                "source": Source.model_validate(SOURCE),
                "spark": small,
                "database": f"sqlite:///{home / 'nbo.db'}",
                **update,
            }
        )

    return at


@pytest.fixture(scope="module")
def two_nights(shop: Callable[[str], Settings]) -> Settings:
    """A home of two nights, with a row of the customer in the database and a line in a delivered file."""
    settings = shop("before")
    for day in (D1, D2):
        deliver(settings, day, DROPS)
    with sqlite3.connect(Path(settings.home, "nbo.db")) as connection:
        connection.execute("create table customer_scores (ds text, customer_id text, note text)")
        rows = [(str(D2), GONE[0], GONE[1]), (str(D2), "C2", "stays@example.org")]
        connection.executemany("insert into customer_scores values (?, ?, ?)", rows)
    connection.close()
    folder = Path(settings.home, "outbox", str(D2))
    folder.mkdir(parents=True)
    (folder / "some.csv").write_text(
        f"customer_id,email\r\n{GONE[0]},{GONE[1]}\r\nC2,stays@example.org\r\n", newline=""
    )
    listed = {"files": [{"file": "some.csv", "rows": 2, "sha256": "as it was"}]}
    (folder / "manifest.json").write_text(json.dumps(listed))
    return settings


@pytest.fixture
def home(two_nights: Settings, tmp_path: Path) -> Settings:
    """A copy of the home of two nights and of its exports."""
    shutil.copytree(two_nights.home, tmp_path / "home")
    shutil.copytree(two_nights.exports, tmp_path / "crm")
    places = {"home": tmp_path / "home", "lake": tmp_path / "home" / "lake", "exports": tmp_path / "crm"}
    update = {key: str(place) for key, place in places.items()}
    return two_nights.model_copy(update={**update, "database": f"sqlite:///{tmp_path / 'home' / 'nbo.db'}"})


def stands_in(settings: Settings) -> list[str]:
    """Return the files of the home, Parquet read as text, in which the customer's key or address stands."""
    home, hits = Path(settings.home), []
    for file in sorted(path for path in home.rglob("*") if path.is_file()):
        content = file.read_bytes()
        if file.suffix == ".parquet":
            import pyarrow.parquet as pq

            content = repr(pq.read_table(file, partitioning=None).to_pylist()).encode()
        if any(value.encode() in content for value in GONE):
            hits.append(str(file.relative_to(home)))
    return hits


def clean(settings: Settings, day: date) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the clean layer, sorted."""
    lake = Lake(settings.lake)
    names = ("clean/customers", "clean/order_lines", "clean/consents")
    return {name: sorted(lake.arrow(name, day).to_pylist(), key=repr) for name in names}


def test_nothing_of_the_customer_stays_and_a_receipt_counts_what_went(home: Settings):
    assert stands_in(home)
    receipt = erase(home, [f" {GONE[0]}"])
    assert [file for file in stands_in(home) if not file.startswith(("gx", "data_docs"))] == []
    assert stands_in(home) == []
    assert receipt.still_in == []
    assert receipt.lake_rows["raw/shop/orders"] == 3
    assert receipt.lake_rows["raw/shop/people"] == 1
    assert receipt.lake_rows["raw/shop/answers"] == 1
    assert receipt.lake_rows["clean/order_lines"] == 3  # one of the first night, both of the second, which holds all
    assert receipt.database_rows == {"customer_scores": 1}
    assert receipt.outbox_lines == {f"{D2}/some.csv": 1}
    assert not Path(home.home, "privacy", "pending.json").exists()
    kept = Path(home.home, "privacy", "receipts", f"{receipt.receipt}.json").read_text()
    assert Receipt(**json.loads(kept)) == receipt
    assert not any(value in kept for value in GONE)
    delivered = Path(home.home, "outbox", str(D2))
    assert (delivered / "some.csv").read_bytes() == b"customer_id,email\r\nC2,stays@example.org\r\n"
    assert json.loads((delivered / "manifest.json").read_text())["files"][0]["rows"] == 1


def test_the_next_delivery_does_not_bring_the_customer_back_and_counts_close(
    home: Settings, shop: Callable[[str], Settings]
):
    erase(home, [GONE[0]])
    deliver(home, D3, DROPS)
    assert stands_in(home) == []
    refused = Lake(home.lake).need(Stage.INGEST, D3).facts["erased"]
    assert refused == {"orders": 1, "people": 1}
    never = shop("never")
    for day in (D1, D2, D3):
        deliver(never, day, others(DROPS))
    assert clean(home, D3) == clean(never, D3)
    accounts = Lake(home.lake).need(Stage.VALIDATE, D3).facts["accounts"]
    assert accounts["consents"]["erased"] == 1  # its key is put together, so that validation refused it


@pytest.mark.parametrize("where", ["scrub_lake._switch", "scrub_database.scrub", "scrub_files.scrub"])
def test_an_erasure_that_died_half_way_is_finished_by_the_next(
    home: Settings, where: str, monkeypatch: pytest.MonkeyPatch
):
    """Whatever was cleaned before, the next one without an ID still knows whom to look for, then forgets it."""

    def dies(*_: Any) -> None:
        raise OSError("no space left")

    # a file of contact values alone: its customer is known by the clean layer, which is cleaned first
    hashed = hashlib.sha256(GONE[1].encode()).hexdigest()
    Path(home.home, "outbox", str(D2), "hashed.csv").write_text(f"email\n{hashed}\n")
    with monkeypatch.context() as patch:
        patch.setattr(f"jobs.privacy.{where}", dies)
        with pytest.raises(OSError, match="no space"):
            erase(home, [GONE[0]])
    assert Path(home.home, "privacy", "pending.json").stat().st_mode & 0o777 == 0o600
    receipt = erase(home, [])
    assert stands_in(home) == []
    assert receipt.outbox_lines == {f"{D2}/some.csv": 1, f"{D2}/hashed.csv": 1}
    with sqlite3.connect(Path(home.home, "nbo.db")) as connection:
        assert connection.execute("select customer_id from customer_scores").fetchall() == [("C2",)]
    connection.close()


def test_again_the_same_customer_changes_nothing(home: Settings):
    first = erase(home, [GONE[0]])
    content = Lake(home.lake).need(Stage.VALIDATE, D2).content
    again = erase(home, [GONE[0]])
    assert again.customers == first.customers
    assert (again.lake_rows, again.database_rows, again.outbox_lines) == ({}, {}, {})
    assert Lake(home.lake).need(Stage.VALIDATE, D2).content == content


def test_nobody_to_erase_and_a_lost_secret_are_refused(home: Settings):
    with pytest.raises(DataError, match="nobody is erased yet"):
        erase(home, [])
    erase(home, [GONE[0]])
    Path(home.home, "privacy", "secret").unlink()
    with pytest.raises(ConfigError, match="its secret is gone"):
        erased.read(home)
