"""What a CRM can drop that is not as agreed: a table of cases, each with the words that tell the operator.

``pytest tests/jobs/test_bad_exports.py --collect-only -q`` prints the cases.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conf.errors import ConfigError, DataError, NboError, TransientError
from conf.settings.load import load
from conf.settings.schema import Settings
from conf.settings.source import Source
from jobs.ingest import ingest, read_exports
from jobs.lake.lake import Lake
from jobs.stages import Stage

FIRST, NIGHT = date(2026, 3, 1), date(2026, 3, 2)  # a Sunday, a Monday
CANARY = "canary@example.org"
COLUMNS = ["id", "mail", "amount"]
CSV = "id,mail,amount\n" + "".join(f"{i:03},{CANARY},{i}.50\n" for i in range(1, 9))
JSONL = "".join(json.dumps({"id": f"{i:03}", "mail": CANARY, "amount": i}) + "\n" for i in range(1, 9))
EXPORTS: dict[str, dict[str, Any]] = {
    "orders": {"path": "{date}/orders*.csv", "format": "csv", "schedule": "daily"},
    "packed": {"path": "{date}/packed.csv.gz", "format": "csv", "schedule": "daily"},
    "people": {"path": "{date}/people.jsonl", "format": "jsonl", "schedule": "daily"},
    "items": {"path": "{date}/items.parquet", "format": "parquet", "schedule": "daily"},
}


def source(**changes: dict[str, Any]) -> Source:
    """A small CRM; ``changes`` are updates of its exports."""
    exports = {name: {"columns": COLUMNS, **export, **changes.get(name, {})} for name, export in EXPORTS.items()}
    return Source.model_validate(
        {
            "name": "tiny",
            "title": "A small CRM",
            "timezone": "UTC",
            "currency": "EUR",
            "history_starts": FIRST,
            "consent": {"recorded": True},
            "exports": exports,
            "tables": {},
        }
    )


def drop(root: Path, day: date) -> Path:
    """Lay out one good drop folder."""
    folder = root / str(day)
    folder.mkdir(parents=True)
    (folder / "orders.csv").write_text(CSV.replace("50", f"{day.day:02}"))
    (folder / "packed.csv.gz").write_bytes(gzip.compress(CSV.encode(), mtime=0))
    (folder / "people.jsonl").write_text(JSONL.replace("00", f"{day.day}0"))
    table = pa.table({"id": ["001", "002"], "mail": [CANARY] * 2, "amount": [1, day.day]})
    pq.write_table(table, folder / "items.parquet")
    return folder


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a published first night and a good second drop."""
    home = tmp_path_factory.mktemp("published")
    settings = at(home)
    drop(Path(settings.exports), FIRST)
    ingest.run(settings, FIRST)
    drop(Path(settings.exports), NIGHT)
    return home


@pytest.fixture
def tiny(published: Path, tmp_path: Path) -> Settings:
    """The small CRM in a home of the test's own, with its first night published."""
    shutil.copytree(published, tmp_path / "home")
    return at(tmp_path / "home")


def at(home: Path) -> Settings:
    """The small CRM's settings in ``home``."""
    places = {"home": str(home), "lake": str(home / "lake"), "exports": str(home / "crm")}
    return load().model_copy(update={**places, "source": source()})


def flip(file: Path, place: int) -> None:
    """Damage eight bytes of a file."""
    content = bytearray(file.read_bytes())
    for offset in range(place, place + 8):
        content[offset] ^= 0xFF
    file.write_bytes(bytes(content))


def cut(file: Path, share: float = 0.6) -> None:
    """Cut a file's end off."""
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])


def text(name: str, content: str, encoding: str = "utf-8") -> Callable[[Path], Any]:
    """A case that replaces a file's text."""
    return lambda folder: (folder / name).write_bytes(content.encode(encoding))


def raw(name: str, content: bytes) -> Callable[[Path], Any]:
    """A case that replaces a file's bytes."""
    return lambda folder: (folder / name).write_bytes(content)


def table(**columns: list[Any]) -> Callable[[Path], Any]:
    """A case that replaces the Parquet file."""
    return lambda folder: pq.write_table(pa.table(columns), folder / "items.parquet")


def replace(name: str, make: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """A case that puts something else in the place of a file."""

    def act(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return act


def folder_outside(folder: Path) -> None:
    """Move the whole drop out and link to it."""
    away = folder.parents[1] / "elsewhere"
    shutil.move(folder, away)
    folder.symlink_to(away)


def outside(name: str) -> Callable[[Path], Any]:
    """A case that moves a file out of the export folder and links to it."""

    def act(folder: Path) -> None:
        away = folder.parents[1] / name
        shutil.move(folder / name, away)
        (folder / name).symlink_to(away)

    return act


HEAD, BODY = CSV.split("\n", 1)
BAD: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "missing daily file": (lambda f: (f / "orders.csv").unlink(), ["orders*.csv: there is no such file", "(daily)"]),
    "missing folder": (shutil.rmtree, ["4 fault(s)", "orders*.csv", "packed.csv.gz", "people.jsonl", "items.parquet"]),
    "csv of 0 bytes": (raw("orders.csv", b""), ["orders.csv: is empty (0 bytes", "may_be_empty"]),
    "jsonl of 0 bytes": (raw("people.jsonl", b""), ["people.jsonl: is empty (0 bytes"]),
    "parquet of 0 bytes": (raw("items.parquet", b""), ["items.parquet: is empty (0 bytes"]),
    "gzip of 0 bytes": (raw("packed.csv.gz", b""), ["packed.csv.gz: is empty (0 bytes"]),
    "gzip of nothing": (raw("packed.csv.gz", gzip.compress(b"")), ["packed.csv.gz: is empty", "no text"]),
    "byte order mark only": (raw("orders.csv", b"\xef\xbb\xbf"), ["orders.csv: is empty (3 bytes, no text)"]),
    "blank lines only": (raw("orders.csv", b"\n\n  \n"), ["orders.csv: is empty", "no text"]),
    "header only": (text("orders.csv", HEAD + "\n"), ["orders.csv: is empty (no row)"]),
    "header only, without line end": (text("orders.csv", HEAD), ["orders.csv: is empty (no row)"]),
    "header only, packed": (
        raw("packed.csv.gz", gzip.compress(HEAD.encode() + b"\n")),
        ["packed.csv.gz: is empty (no row)"],
    ),
    "parquet without rows": (table(id=[], mail=[], amount=[]), ["items.parquet: is empty (no row)"]),
    "gzip cut off": (lambda f: cut(f / "packed.csv.gz"), ["packed.csv.gz: is cut off", "ask for it again"]),
    "gzip without checksum": (
        lambda f: cut(f / "packed.csv.gz", 1 - 8 / (f / "packed.csv.gz").stat().st_size),
        ["packed.csv.gz: is cut off"],
    ),
    "gzip damaged": (lambda f: flip(f / "packed.csv.gz", 40), ["packed.csv.gz: is damaged or not gzip"]),
    "plain text named gz": (text("packed.csv.gz", CSV), ["packed.csv.gz: is damaged or not gzip"]),
    "gzip followed by something": (
        raw("packed.csv.gz", gzip.compress(CSV.encode()) + CANARY.encode()),
        ["packed.csv.gz: is damaged or not gzip"],
    ),
    "gzip not named so": (raw("orders.csv", gzip.compress(CSV.encode())), ["orders.csv: is gzip; end its name in .gz"]),
    "parquet cut off": (lambda f: cut(f / "items.parquet"), ["items.parquet: is no whole Parquet file"]),
    "parquet page damaged": (
        lambda f: flip(f / "items.parquet", 4),
        ["items.parquet: cannot be read as parquet (damaged)"],
    ),
    "parquet footer damaged": (
        lambda f: flip(f / "items.parquet", (f / "items.parquet").stat().st_size - 8),
        ["items.parquet: is no whole Parquet file"],
    ),
    "text named parquet": (text("items.parquet", CSV), ["items.parquet: is no whole Parquet file"]),
    "column missing": (text("orders.csv", "id,mail\n1,x\n"), ["orders.csv: the columns", "missing: 'amount'"]),
    "column not declared": (
        text("orders.csv", "id,mail,amount,tax\n1,x,2,3\n"),
        ["not declared: 'tax'", "the source's YAML"],
    ),
    "column twice": (text("orders.csv", "id,mail,mail,amount\n1,x,y,2\n"), ["orders.csv", "twice: 'mail'"]),
    "column in other case": (
        text("orders.csv", "ID,mail,amount\n1,x,2\n"),
        ["missing: 'id'", "not declared: 'ID'"],
    ),
    "column with a space": (text("orders.csv", "id, mail,amount\n1,x,2\n"), ["missing: 'mail'", "declared: ' mail'"]),
    "no header": (text("orders.csv", BODY), ["orders.csv: has no header", "id, mail, amount"]),
    "other delimiter": (text("orders.csv", CSV.replace(",", ";")), ["orders.csv: has no header", "mend the delimiter"]),
    "blank line before the header": (text("orders.csv", "\n" + CSV), ["orders.csv: has no header"]),
    "open quote in the header": (text("orders.csv", '"' + CSV), ["orders.csv: has no header"]),
    "key missing in all objects": (
        text("people.jsonl", JSONL.replace('"amount"', '"total"')),
        ["people.jsonl: the columns", "missing: 'amount'", "not declared: 'total'"],
    ),
    "key not declared in one object": (
        text("people.jsonl", JSONL + '{"id": "1", "mail": "x", "amount": 1, "vip": true}\n'),
        ["people.jsonl: the columns", "not declared: 'vip'"],
    ),
    "key in other case": (text("people.jsonl", JSONL.replace('"id"', '"Id"')), ["missing: 'id'", "declared: 'Id'"]),
    "parquet column missing": (table(id=["1"], mail=["x"]), ["items.parquet: the columns", "missing: 'amount'"]),
    "parquet column in other case": (
        table(id=["1"], mail=["x"], Amount=[1]),
        ["missing: 'amount'", "not declared: 'Amount'"],
    ),
    "no utf-8": (
        raw("orders.csv", CSV.encode() + "9,Анна,1\n".encode("cp1251")),
        [f"orders.csv: is not utf-8: byte {len(CSV) + 2} cannot be decoded", "declare the encoding"],
    ),
    "no utf-8, packed": (
        raw("packed.csv.gz", gzip.compress(CSV.encode() + b"9,\xff,1\n")),
        [f"packed.csv.gz: is not utf-8: byte {len(CSV) + 2} "],
    ),
    "no utf-8 far behind": (
        raw("orders.csv", CSV.encode() + b"9,x,1\n" * 400_000 + b"9,\xff,1\n"),
        [f"orders.csv: is not utf-8: byte {len(CSV) + 6 * 400_000 + 2} "],
    ),
    "character cut in two": (
        raw("orders.csv", (CSV + "9,x,é").encode()[:-1]),
        [f"orders.csv: is not utf-8: byte {len(CSV) + 4} "],
    ),
    "utf-16 not declared": (text("orders.csv", CSV, "utf-16"), ["begins with the mark of utf-16", "encoding: utf-16"]),
    "link to outside": (outside("orders.csv"), ["orders.csv: leads out of the export folder"]),
    "link to a system file": (
        replace("orders.csv", lambda p: p.symlink_to("/etc/passwd")),
        ["orders.csv: leads out of the export folder"],
    ),
    "link to a device": (
        replace("orders.csv", lambda p: p.symlink_to("/dev/zero")),
        ["orders.csv: leads out of the export folder"],
    ),
    "linked folder": (folder_outside, ["orders.csv: leads out of the export folder", "4 fault(s)"]),
    "link to nothing": (replace("people.jsonl", lambda p: p.symlink_to("gone")), ["people.jsonl: "]),
    "pipe": (replace("orders.csv", os.mkfifo), ["orders.csv: is no regular file"]),
    "folder in place of a file": (replace("orders.csv", Path.mkdir), ["orders.csv: is no regular file"]),
    "mostly short rows": (text("orders.csv", HEAD + "\n1,x,2\n" + "1,x\n" * 5), ["orders.csv: 83% of it is malformed"]),
    "mostly long rows": (text("orders.csv", HEAD + "\n1,x,2\n" + "1,x,2,3\n" * 5), ["orders.csv: 83% of it"]),
    "quote never closed": (text("orders.csv", HEAD + '\n1,x,2\n1,"x,2\n' + "1,x,2\n" * 97), ["orders.csv: 99% of it"]),
    "mostly no JSON": (text("people.jsonl", JSONL[:60] + "\n" + "{\n" * 9), ["people.jsonl: 91% of it is malformed"]),
    "CSV named jsonl": (text("people.jsonl", CSV), ["people.jsonl: 100% of it is malformed"]),
    "JSON array named jsonl": (
        text("people.jsonl", "[" + ",".join(JSONL.splitlines()) + "]\n"),
        ["people.jsonl: is one JSON array", "declare `format: json`"],
    ),
    "several files": (
        lambda f: (cut(f / "packed.csv.gz"), (f / "orders.csv").write_bytes(b""), cut(f / "items.parquet")),
        ["3 fault(s)", "orders.csv: is empty", "packed.csv.gz: is cut off", "items.parquet: is no whole"],
    ),
    "one of two files": (text("orders_again.csv", "id\n1\n"), ["orders_again.csv: the columns", "1 fault(s)"]),
}


@pytest.mark.parametrize("case", BAD)
def test_the_stage_stops_and_names_the_file(case: str, tiny: Settings, caplog: pytest.LogCaptureFixture) -> None:
    act, fragments = BAD[case]
    lake = Lake(tiny.lake)
    before = lake.need(Stage.INGEST, FIRST).to_json()
    act(Path(tiny.exports, str(NIGHT)))
    with pytest.raises(DataError) as caught:
        ingest.run(tiny, NIGHT)
    message = str(caught.value)
    for fragment in fragments:
        assert fragment in message
    assert str(NIGHT) in message
    assert CANARY not in message + caplog.text
    assert lake.manifest(Stage.INGEST, NIGHT) is None
    assert lake.need(Stage.INGEST, FIRST).to_json() == before
    assert lake.arrow("raw/tiny/orders", FIRST).num_rows == 8
    assert not list(Path(lake.base).rglob(f"ds={NIGHT}/*/*.parquet")), "a draft was left behind"


CONTRACTS: dict[str, tuple[dict[str, dict[str, Any]], Callable[[Path], Any], type[NboError], str]] = {
    "weekly file missing": (
        {"orders": {"path": "{date}/weekly.csv", "schedule": "weekly:mon"}},
        lambda f: None,
        DataError,
        "weekly.csv: there is no such file, and orders is due (weekly:mon)",
    ),
    "monthly file missing": (
        {"orders": {"path": "{date}/monthly.csv", "schedule": "monthly:2"}},
        lambda f: None,
        DataError,
        "monthly.csv: there is no such file",
    ),
    "packed bomb": (
        {"packed": {"max_bytes": 1 << 20}},
        raw("packed.csv.gz", gzip.compress((CSV + "9,x,0\n" * 2_000_000).encode(), 9)),
        DataError,
        "packed.csv.gz: holds more than 1,048,576 bytes when unpacked; if that is right, raise max_bytes",
    ),
    "large file": ({"orders": {"max_bytes": 100}}, lambda f: None, DataError, "orders.csv: holds more than 100 bytes"),
    "large parquet": ({"items": {"max_bytes": 99}}, lambda f: None, DataError, "items.parquet: holds more than 99 "),
    "cp1251 with a hole": (
        {"orders": {"csv": {"encoding": "cp1251"}}},
        raw("orders.csv", CSV.encode() + b"9,\x98,1\n"),
        DataError,
        f"orders.csv: is not cp1251: byte {len(CSV) + 2} ",
    ),
    "utf-16 with an odd byte": (
        {"orders": {"csv": {"encoding": "utf-16"}}},
        raw("orders.csv", CSV.encode("utf-16") + b"\x41"),
        DataError,
        f"orders.csv: is not utf-16: byte {2 * len(CSV) + 2} ",
    ),
}


@pytest.mark.parametrize("case", CONTRACTS)
def test_a_contract_is_held(case: str, tiny: Settings) -> None:
    changes, act, kind, fragment = CONTRACTS[case]
    act(Path(tiny.exports, str(NIGHT)))
    with pytest.raises(kind) as caught:
        ingest.run(tiny.model_copy(update={"source": source(**changes)}), NIGHT)
    assert fragment in str(caught.value)
    assert Lake(tiny.lake).manifest(Stage.INGEST, NIGHT) is None


DEEP = '{"id": "9", "mail": ' + "[" * 100_000 + "]" * 100_000 + ', "amount": 1}\n'
#: replaced file, table, the refused rows and their reasons, number of good rows
QUARANTINED: dict[str, tuple[Callable[[Path], Any], str, list[tuple[int, str]], int]] = {
    "short row": (text("orders.csv", CSV + "9,x\n"), "orders", [(9, "missing columns at column amount")], 8),
    "long row": (text("orders.csv", CSV + "9,x,1,2\n"), "orders", [(9, "too many columns")], 8),
    "text after a quote": (
        text("orders.csv", CSV.replace(f"004,{CANARY}", '004,"a"b')),
        "orders",
        [(4, "unquoted value at column mail")],
        7,
    ),
    "quote open at the end": (
        text("orders.csv", CSV + '9,x,"1\n'),
        "orders",
        [(9, "unquoted value at column amount")],
        8,
    ),
    "NUL": (text("orders.csv", CSV + "9,x\0y,1\n"), "orders", [(9, "NUL character")], 8),
    "NUL escaped in JSON": (
        text("people.jsonl", JSONL + '{"id": "9", "mail": "x\\u0000y", "amount": 1}\n'),
        "people",
        [(9, "NUL character")],
        8,
    ),
    "carriage return within a row": (
        text("orders.csv", CSV + "9,x\ry,1\n"),
        "orders",
        [(9, "missing columns at column amount"), (10, "missing columns at column amount")],
        8,
    ),
    "several short rows, packed": (
        raw("packed.csv.gz", gzip.compress((HEAD + "\n1,x\n" + BODY + "2,x\n3,x,1\n").encode())),
        "packed",
        [(1, "missing columns at column amount"), (10, "missing columns at column amount")],
        9,
    ),
    "line of 3 MB": (
        text("orders.csv", CSV + f"9,{'x' * 3_000_000},1\n10,x,1\n"),
        "orders",
        [(9, "line size over maximum")],
        9,
    ),
    "line of 40 MB": (
        text("people.jsonl", JSONL + '{"id": "' + "x" * 40_000_000 + '"}\n' + JSONL),
        "people",
        [(9, "line size over maximum")],
        16,
    ),
    "last object cut off": (text("people.jsonl", JSONL + '{"id": "9", "ma'), "people", [(9, "not valid JSON")], 8),
    "no object": (
        text("people.jsonl", JSONL + "[1]\n7\nnull\n"),
        "people",
        [(n, "no JSON object") for n in (9, 10, 11)],
        8,
    ),
    "key twice": (
        text("people.jsonl", JSONL + '{"id": "9", "mail": "x", "amount": 1, "id": "8"}\n'),
        "people",
        [(9, "a key stands twice")],
        8,
    ),
    "control character in JSON": (
        text("people.jsonl", JSONL + '{"id": "\x01"}\n'),
        "people",
        [(9, "too many columns")],
        8,
    ),
    "half a surrogate pair": (
        text("people.jsonl", JSONL + '{"id": "\\ud83d", "mail": "x"}\n'),
        "people",
        [(9, "not valid JSON")],
        8,
    ),
    "100,000 brackets": (text("people.jsonl", JSONL + DEEP), "people", [], 9),
}


@pytest.mark.parametrize("case", QUARANTINED)
def test_malformed_rows_are_set_apart(case: str, tiny: Settings) -> None:
    act, name, expected, rows = QUARANTINED[case]
    act(Path(tiny.exports, str(NIGHT)))
    manifest = ingest.run(tiny, NIGHT)
    lake = Lake(tiny.lake)
    assert manifest.facts["rejected"][name] == len(expected)
    good = lake.arrow(f"raw/tiny/{name}", NIGHT)
    assert good.num_rows == rows
    if not expected:
        assert not lake.has(f"raw/tiny/{name}__rejected", NIGHT)
        return
    refused = lake.arrow(f"raw/tiny/{name}__rejected", NIGHT)
    assert refused.column_names == ["_file", "_row", "_ds", "reason"]
    assert [(row["_row"], row["reason"]) for row in refused.to_pylist()] == expected
    assert set(refused["_ds"].to_pylist()) == {NIGHT}
    numbers = sorted(good["_row"].to_pylist() + refused["_row"].to_pylist())
    assert numbers == list(range(1, rows + len(expected) + 1)), "every row has its place"


def test_a_night_before_the_first_drop_is_refused(tiny: Settings) -> None:
    with pytest.raises(ConfigError, match="2026-02-28 lies before the first drop; history_starts is 2026-03-01"):
        ingest.run(tiny, date(2026, 2, 28))


def test_an_absent_export_folder_is_told_with_the_remedy(tiny: Settings) -> None:
    shutil.rmtree(tiny.exports)
    with pytest.raises(DataError, match=r"there is no export folder .*nbo demo"):
        ingest.run(tiny, NIGHT)


@pytest.mark.parametrize("change", ["grows", "vanishes", "is replaced"])
def test_a_file_that_changes_while_it_is_read_is_tried_again_later(
    change: str, tiny: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Path(tiny.exports, str(NIGHT), "orders.csv")

    def load_meanwhile(*given: Any) -> Any:
        if change == "grows":
            with file.open("a") as stream:
                stream.write("9,x,1\n")
        elif change == "vanishes":
            file.unlink(missing_ok=True)
        else:
            other = file.with_suffix(".new")
            other.write_text(file.read_text().upper())
            other.rename(file)
        return read_exports.load(*given)

    monkeypatch.setattr(ingest, "load", load_meanwhile)
    with pytest.raises(TransientError, match=r"changed while they were read: 2026-03-02/orders\.csv.*try again later"):
        ingest.run(tiny, NIGHT)
    assert Lake(tiny.lake).manifest(Stage.INGEST, NIGHT) is None


def test_parquet_types_that_do_not_go_together_are_told(tmp_path: Path) -> None:
    settings = at(tmp_path)
    drop(Path(settings.exports), FIRST)
    later = drop(Path(settings.exports), NIGHT)
    pq.write_table(pa.table({"id": ["1"], "mail": ["x"], "amount": [[1]]}), later / "items.parquet")
    with pytest.raises(DataError, match="columns have other types in one file than in another"):
        ingest.run(settings, NIGHT)
