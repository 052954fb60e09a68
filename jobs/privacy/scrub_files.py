"""Takes the lines of erased customers out of the segment files that were delivered.

A CSV file is written anew without the lines in which the customer's key, e-mail address, phone number or a hash of
them stands; any other file that has one of them is removed. The delivery's manifest gets the new sizes and hashes.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

#: headers of columns that hold a customer's key; a short key such as 12 says nothing in any other column
KEYS = re.compile(r"(^|_|\b)(id|customer|key)$", re.IGNORECASE)


class Marks:
    """What a customer is recognised by in a file: keys, and contact values with the hashes that platforms take."""

    def __init__(self, keys: Collection[str], contacts: Collection[str]) -> None:
        """Take the keys and the contact values of customers."""
        self.keys = {*keys, *_hashes(keys)}
        self.contacts = {*(value.lower() for value in contacts), *_hashes(contacts)}

    def in_row(self, row: list[str], key_columns: Collection[int]) -> bool:
        """Return whether a row of a file is of one of the customers."""
        cells = [cell.strip().lstrip("'") for cell in row]
        return any(cells[place] in self.keys for place in key_columns if place < len(cells)) or any(
            cell.lower() in self.contacts for cell in cells
        )

    def in_bytes(self, content: bytes) -> bool:
        """Return whether a contact value stands in a file of any kind."""
        lowered = content.lower()
        return any(value.encode() in lowered for value in self.contacts)

    def in_parquet(self, file: Path) -> bool:
        """Return whether a contact value stands in a text of a Parquet file, whose bytes are compressed."""
        pages = pq.ParquetFile(file)
        texts = [field.name for field in pages.schema_arrow if pa.types.is_string(field.type)]
        batches = pages.iter_batches(columns=texts) if texts and self.contacts else iter(())
        wanted = re.compile("|".join(map(re.escape, sorted(self.contacts)))) if self.contacts else None
        return any(
            wanted is not None and wanted.search("\n".join(filter(None, column.to_pylist())).lower()) is not None
            for batch in batches
            for column in batch.columns
        )


def scrub(outbox: Path, marks: Marks) -> dict[str, int]:
    """Remove the customers' lines from all deliveries.

    Args:
        outbox: folder of the deliveries.
        marks: what the customers are recognised by.

    Returns:
        File within the outbox -> lines removed, -1 where the whole file was removed.
    """
    removed: dict[str, int] = {}
    for file in sorted(path for path in outbox.rglob("*") if path.is_file()):
        if file.suffix == ".csv":
            lines = _scrub_csv(file, marks)
        elif file.name != "manifest.json" and marks.in_bytes(file.read_bytes()):
            file.unlink()
            lines = -1
        else:
            continue
        if lines:
            removed[str(file.relative_to(outbox))] = lines
    for folder in {(outbox / name).parent for name in removed}:
        _update_manifest(folder)
    return removed


def _scrub_csv(file: Path, marks: Marks) -> int:
    """Write a CSV file anew without the customers' lines; the others stay byte for byte."""
    text = file.read_bytes().decode("utf-8")
    records = _records(text)
    if not records:
        return 0
    first = records[0].lstrip("\ufeff")
    delimiter = max(",;\t|", key=first.count)
    header = next(csv.reader([first], delimiter=delimiter))
    keys = [place for place, name in enumerate(header) if KEYS.search(name.strip())]
    kept = [
        record
        for number, record in enumerate(records)
        if number == 0 or not marks.in_row(next(csv.reader(io.StringIO(record), delimiter=delimiter), []), keys)
    ]
    if len(kept) < len(records):
        temporary = file.with_name(f".{file.name}.tmp")
        temporary.write_bytes("".join(kept).encode("utf-8"))
        os.chmod(temporary, file.stat().st_mode)
        os.replace(temporary, file)
    return len(records) - len(kept)


def _records(text: str) -> list[str]:
    """Split a CSV text into records, ends of lines included; a quoted field may hold ends of lines."""
    records: list[str] = []
    open_quote = False
    for line in text.splitlines(keepends=True):
        if open_quote:
            records[-1] += line
        else:
            records.append(line)
        open_quote ^= line.count('"') % 2 == 1
    return records


def _update_manifest(folder: Path) -> None:
    """Let the delivery's manifest say what the files are now."""
    place = folder / "manifest.json"
    if not place.exists():
        return
    manifest = json.loads(place.read_text(encoding="utf-8"))
    for entry in manifest.get("files", []):
        _update_entry(folder, entry)
    temporary = place.with_name(".manifest.json.tmp")
    temporary.write_text(json.dumps(manifest, indent=2, ensure_ascii=False), encoding="utf-8")
    os.chmod(temporary, place.stat().st_mode)
    os.replace(temporary, place)


def _update_entry(folder: Path, entry: dict[str, Any]) -> None:
    for name in [key for key in entry if key == "file" or key.endswith("_file")]:
        file = folder / str(entry[name])
        if not file.is_file():
            continue
        content = file.read_bytes()
        entry[f"{name.removesuffix('file')}sha256"] = hashlib.sha256(content).hexdigest()
        if name == "file":
            entry["rows"] = len(_records(content.decode("utf-8"))) - 1


def _hashes(values: Collection[str]) -> set[str]:
    """Return the hashes under which platforms take a value: SHA-256 and MD5 of its lower case, phones without a +."""
    written = {form for value in values for form in (value, value.lower(), value.lstrip("+"))}
    return {
        made
        for form in written
        for made in (hashlib.sha256(form.encode()).hexdigest(), hashlib.md5(form.encode()).hexdigest())
    }
