"""``nbo erase``: takes customers out of the whole installation and keeps them out.

In this order, so that a crash at any place is mended by running it again: the customers go on the list of erased ones
(no delivery brings them back from here on), then out of the lake, the database, the delivered files and the reports.
The CRM's own exports are not touched; what ingest reads of them later is refused. What aggregates, models and
statistics learnt from many customers stays until they are made again: the next night builds its features without the
erased rows, and the next training its models.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Row, SparkSession
from rich.console import Console

from conf.errors import DataError
from conf.settings.schema import Settings
from conf.tables.canonical import CANONICAL, CUSTOMERS
from features.canonical.ids import trimmed, written
from jobs.inputs import erased
from jobs.lake.lake import Lake
from jobs.lake.night import lock
from jobs.lake.sweep import sweep
from jobs.privacy import scrub_database, scrub_files, scrub_lake
from jobs.privacy.raw_rows import raw_rows
from jobs.report import write_report
from jobs.spark import session
from jobs.stages import Stage

log = logging.getLogger(__name__)
#: columns of customers whose values name a person wherever they stand
CONTACTS = ("name", "email", "phone")
#: contact values shorter than this are words that others have too
LEAST = 6


@dataclass
class Receipt:
    """What an erasure removed: rows by table of the lake and the database, lines by file; no key of a customer."""

    receipt: str
    customers: list[str]
    started_at: str
    lake_rows: dict[str, int] = field(default_factory=dict)
    lake_files_rewritten: int = 0
    database_rows: dict[str, int] = field(default_factory=dict)
    outbox_lines: dict[str, int] = field(default_factory=dict)
    reports_written_again: list[str] = field(default_factory=list)
    still_in: list[str] = field(default_factory=list)
    seconds: float = 0.0


def command(settings: Settings, args: argparse.Namespace) -> int:
    """Run ``nbo erase ID ...``; without an ID, sweep again whoever was erased before.

    Raises:
        DataError: there is nothing to erase.
        LockedError: a night is being worked on.
    """
    console = Console(width=140, highlight=False)
    receipt = erase(settings, args.customers)
    place = Path(settings.home, "privacy", "receipts", f"{receipt.receipt}.json")
    rows = sum(receipt.lake_rows.values())
    console.print(
        f"erased {len(receipt.customers)} customer(s) in {receipt.seconds:.0f} s: {rows:,} rows of "
        f"{len(receipt.lake_rows)} tables in the lake, {sum(receipt.database_rows.values()):,} rows of the database, "
        f"lines in {len(receipt.outbox_lines)} delivered files; {len(receipt.reports_written_again)} report(s) written "
        f"again\nreceipt: {place}"
    )
    if not (rows or receipt.database_rows or receipt.outbox_lines):
        console.print("nothing of them was here: erased before, or never a customer; what comes of them is refused")
    for file in receipt.still_in:
        console.print(f"still in: {file}; remove it by hand")
    console.print("the exports themselves are the CRM's: have it erase there too; what it sends again is refused here")
    return 0 if not receipt.still_in else DataError.exit_code


def erase(settings: Settings, customers: list[str]) -> Receipt:
    """Erase ``customers``, and finish what an earlier erasure did not; return what was removed.

    Args:
        settings: the installation.
        customers: keys as the CRM writes them.

    Raises:
        DataError: nobody is named and nobody was erased before.
        LockedError: a night is being worked on.
    """
    started = time.monotonic()
    lake = Lake(settings.lake)
    with _all_nights(settings, lake):
        listed = erased.add(settings, _written(settings, customers)) if customers else erased.read(settings)
        if not listed.hashes:
            raise DataError("nobody is erased yet; name a customer: nbo erase ID")
        begun = _begun(settings)
        keys = {*_written(settings, customers), *scrub_lake.customers_of(lake, listed), *begun["keys"]}
        receipt = Receipt(
            uuid.uuid4().hex, sorted(listed.hash_of(key) for key in keys), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        )
        contacts = {*_contacts(lake, keys), *begun["contacts"]}
        erased.write(_pending(settings), json.dumps({"keys": sorted(keys), "contacts": sorted(contacts)}))
        marks = scrub_files.Marks(keys, contacts)
        sweep(lake, keep=10**6, spare_seconds=0)  # of drafts that died nothing stays
        done = scrub_lake.scrub(lake, keys, raw_rows(settings, lake, keys))
        receipt.lake_rows, receipt.lake_files_rewritten = dict(done.rows), done.files
        receipt.database_rows = scrub_database.scrub(settings.database, keys)
        outbox = Path(settings.home, "outbox")
        receipt.outbox_lines = scrub_files.scrub(outbox, marks) if outbox.is_dir() else {}
        nights = _reports(settings, keys, marks)
    for night in nights:
        write_report.run(settings, night, force=True)
        receipt.reports_written_again.append(str(night))
    receipt.still_in = _search(settings, marks)
    receipt.seconds = round(time.monotonic() - started, 1)
    _keep(settings, receipt)
    _pending(settings).unlink()
    return receipt


@contextmanager
def _all_nights(settings: Settings, lake: Lake) -> Iterator[None]:
    """Hold the locks of all nights, so that no stage reads or writes meanwhile."""
    with ExitStack() as stack:
        for day in sorted({day for stage in Stage for day in lake.days(stage)}):
            stack.enter_context(lock(settings, day))
        yield


def _pending(settings: Settings) -> Path:
    """Return the file of whom an erasure has begun to remove; it is gone when the receipt is written.

    The lake is cleaned first, and after a crash nothing else would say what to look for in the database and in files.
    """
    return Path(settings.home, "privacy", "pending.json")


def _begun(settings: Settings) -> dict[str, list[str]]:
    """Return keys and contact values of an erasure that did not come to its end."""
    file = _pending(settings)
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"keys": [], "contacts": []}


def _written(settings: Settings, customers: list[str]) -> list[str]:
    """Return keys as the source's rule on ids writes them."""
    if not customers:
        return []
    spark: SparkSession = session(settings, "erase")
    frame = spark.createDataFrame([Row(key=key) for key in customers])
    keys = frame.select(trimmed(frame["key"]).alias("key"))
    rows = keys.select(written(keys["key"], "customer_id", settings.source.ids).alias("key")).collect()
    return [row["key"] for row in rows if row["key"] is not None]


def _contacts(lake: Lake, keys: set[str]) -> set[str]:
    """Return the names, addresses and phone numbers that the clean layer has of these customers, on any night."""
    values: set[str] = set()
    table = f"clean/{CUSTOMERS.name}"
    columns = [name for name in CONTACTS if name in CANONICAL[CUSTOMERS.name].names]
    for day in lake.days(Stage.VALIDATE):
        if not lake.has(table, day):
            continue
        rows = lake.arrow(table, day, ["customer_id", *columns])
        mine = rows.filter(pc.is_in(rows["customer_id"], pa.array(sorted(keys), pa.string())))
        values |= {value for name in columns for value in mine[name].to_pylist() if value and len(value) >= LEAST}
    return values


def _reports(settings: Settings, keys: set[str], marks: scrub_files.Marks) -> list[date]:
    """Return the nights whose report may show one of the customers."""
    token = re.compile(rf"(?<![\w.]){'(?:' + '|'.join(map(re.escape, sorted(keys))) + ')'}(?![\w.])")
    nights = set()
    for page in Path(settings.home, "reports").glob("????-??-??/*.html"):
        content = page.read_bytes()
        if token.search(content.decode("utf-8", "replace")) or marks.in_bytes(content):
            nights.add(date.fromisoformat(page.parent.name))
    return sorted(nights)


def _search(settings: Settings, marks: scrub_files.Marks) -> list[str]:
    """Return files of the home in which a contact value of the customers stands after all; the CRM's own are left."""
    home, exports, pending = Path(settings.home), Path(settings.exports).resolve(), _pending(settings)
    return [
        str(file.relative_to(home))
        for file in sorted(home.rglob("*"))
        if file.is_file()
        and file != pending
        and not file.resolve().is_relative_to(exports)
        and (marks.in_parquet(file) if file.suffix == ".parquet" else marks.in_bytes(file.read_bytes()))
    ]


def _keep(settings: Settings, receipt: Receipt) -> None:
    folder = Path(settings.home, "privacy", "receipts")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / f"{receipt.receipt}.json").write_text(json.dumps(asdict(receipt), indent=1), encoding="utf-8")
