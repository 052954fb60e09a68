"""Checks one dropped file before it is read: whole, not too large, decodable, and with the columns agreed on.

Nothing of a file's content gets into a message: where a header is missing, its first line is personal data.
Cost: one streaming pass over the file in constant memory, and a second one that copies it where DuckDB could not
read it as it is.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from conf.errors import ConfigError, DataError
from conf.settings.source import Export
from jobs.ingest.exports import Drop, open_drop

CHUNK = 1 << 20
#: characters of a text file that must hold its header
HEAD = 1 << 16
#: longer lines are cut to this, still long enough to be refused as a row: DuckDB loses a line beyond its buffer
LONGEST = 4_000_000


@dataclass(frozen=True)
class Checked:
    """A file that can be read; ``path`` is the file itself or a copy in UTF-8 with one kind of line ends."""

    drop: Drop
    path: Path
    columns: tuple[str, ...] = ()
    lines: int = 0
    has_nul: bool = False


@dataclass
class _Text:
    """What a pass over a text file found."""

    head: str = ""
    lines: int = 0
    longest: int = 0
    nul: bool = False
    newlines: io.IncrementalNewlineDecoder = field(
        default_factory=lambda: io.IncrementalNewlineDecoder(None, translate=False)
    )

    @property
    def mixed(self) -> bool:
        """Tell whether lines end in several ways, or in the way of old Macs."""
        return self.newlines.newlines not in (None, "\n", "\r\n")


def check(drop: Drop, export: Export, scratch: Path) -> Checked | None:
    """Check one file.

    Args:
        drop: the file.
        export: its contract.
        scratch: folder for a copy, where one is needed.

    Returns:
        What to read; None when there is nothing in the file and that is no fault.

    Raises:
        ConfigError: the contract's encoding is unknown.
        DataError: the file is not what the contract says.
    """
    if drop.bytes == 0:
        _refuse_empty(drop, export)
        return None
    if export.format == "parquet":
        return _check_parquet(drop, export)
    found = _scan(drop, export)
    if not found.head.strip():
        _refuse_empty(drop, export)
        return None
    columns: list[str] = []
    if export.format == "csv":
        with suppress(csv.Error, StopIteration):
            head = io.StringIO(found.head, newline="")
            columns = next(csv.reader(head, delimiter=export.csv.delimiter, quotechar=export.csv.quote, strict=True))
        compare(drop.name, columns, export)
    path = drop.path
    odd_path = any(sign in str(path) for sign in "*?[")  # DuckDB would take it for a pattern
    if found.mixed or found.longest > LONGEST or odd_path or not _is_utf8(export):
        path = scratch / f"{len(list(scratch.iterdir()))}.{export.format}"
        _copy(drop, export, found, path)
    return Checked(drop, path, tuple(columns), found.lines, found.nul)


def compare(name: str, found: list[str], export: Export) -> None:
    """Hold the columns found in the file ``name`` to the contract; their order is free.

    Raises:
        DataError: some are missing, not declared, or stand there twice.
    """
    agreed = export.columns
    if Counter(found) == Counter(agreed):
        return
    if not {column.lower() for column in found} & {column.lower() for column in agreed}:
        raise DataError(
            f"{name}: has no header: none of the {len(found)} name(s) at its top is among the {len(agreed)} columns "
            f"of the contract ({', '.join(agreed)}); ask for the header, or mend the delimiter under `csv`"
        )
    faults = {
        "missing": [column for column in agreed if column not in found],
        "not declared": sorted({column for column in found if column not in agreed}),
        "twice": sorted(column for column, count in Counter(found).items() if count > 1),
    }
    told = "; ".join(
        f"{what}: {', '.join(repr(column[:60]) for column in columns)}" for what, columns in faults.items() if columns
    )
    raise DataError(
        f"{name}: the columns are not those of the contract; {told}; have the export mended, or change "
        "the columns and their mapping in the source's YAML"
    )


def _refuse_empty(drop: Drop, export: Export) -> None:
    if not export.may_be_empty:
        raise DataError(
            f"{drop.name}: is empty ({drop.bytes} bytes, no text); ask for the file, or declare may_be_empty"
        )


def _check_parquet(drop: Drop, export: Export) -> Checked:
    try:
        with open(open_drop(drop.path), "rb") as stream:
            file = pq.ParquetFile(stream)
            groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
            names = file.schema_arrow.names
    except (pa.ArrowException, OSError):
        raise DataError(f"{drop.name}: is no whole Parquet file (cut off or damaged); ask for it again") from None
    _limit(drop, export, sum(group.total_byte_size for group in groups))
    compare(drop.name, names, export)
    return Checked(drop, drop.path, tuple(names))


def _scan(drop: Drop, export: Export) -> _Text:
    """Read a text file to its end."""
    found, length = _Text(), 0
    for text in _texts(drop, export):
        found.head += text[: HEAD - len(found.head)]
        found.nul = found.nul or "\0" in text or (export.format == "jsonl" and "\\u0000" in text)
        found.newlines.decode(text)
        found.lines += text.count("\n")
        first, last = text.find("\n"), text.rfind("\n")
        found.longest = max(found.longest, length + (len(text) if first < 0 else first))
        length = length + len(text) if last < 0 else len(text) - last - 1
    found.lines += length > 0
    return found


def _copy(drop: Drop, export: Export, found: _Text, target: Path) -> None:
    """Write a file again in UTF-8, with one kind of line ends and no line much longer than ``LONGEST``."""
    newlines = io.IncrementalNewlineDecoder(None, translate=found.mixed)
    length = 0
    with target.open("w", encoding="utf-8", newline="") as copy:
        for text in (*_texts(drop, export), None):
            plain = newlines.decode(text or "", final=text is None)
            if found.longest <= LONGEST:
                copy.write(plain)
                continue
            first, *others = plain.split("\n")
            copy.write(first[: max(0, LONGEST - length)])
            length += len(first)
            for line in others:
                copy.write("\n" + line[:LONGEST])
                length = len(line)


def _texts(drop: Drop, export: Export) -> Iterator[str]:
    """Yield a file's text, unpacked, decoded and without byte order mark."""
    try:
        decoder = codecs.getincrementaldecoder(export.csv.encoding)()
    except LookupError:
        raise ConfigError(
            f"exports.{drop.export}.csv.encoding: {export.csv.encoding!r} is no codec of Python; try utf-8 or cp1251"
        ) from None
    read, pending, marked = 0, 0, False
    for chunk in (*_bytes(drop, export), b""):
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{drop.name}: is not {export.csv.encoding}: byte {read - pending + error.start} cannot be decoded; "
                "declare the encoding the CRM writes under `csv`, or have the export mended"
            ) from None
        read += len(chunk)
        pending = len(decoder.getstate()[0])
        if not marked and text:
            text, marked = text.removeprefix("\ufeff"), True
        yield text


def _bytes(drop: Drop, export: Export) -> Iterator[bytes]:
    """Yield a file's bytes, unpacked; stops at the first byte beyond the contract's limit."""
    packed, size = drop.name.endswith(".gz"), 0
    with open(open_drop(drop.path), "rb") as raw:
        stream = gzip.GzipFile(fileobj=raw) if packed else raw
        while True:
            try:
                chunk = stream.read(CHUNK)
            except EOFError:
                raise DataError(f"{drop.name}: is cut off (its gzip stream has no end); ask for it again") from None
            except (gzip.BadGzipFile, zlib.error):
                raise DataError(f"{drop.name}: is damaged or not gzip; ask for it again") from None
            if not chunk:
                return
            size += len(chunk)
            _limit(drop, export, size)
            yield chunk


def _limit(drop: Drop, export: Export, size: int) -> None:
    if size > export.max_bytes:
        raise DataError(
            f"{drop.name}: holds more than {export.max_bytes:,} bytes when unpacked; "
            "if that is right, raise max_bytes of the export"
        )


def _is_utf8(export: Export) -> bool:
    return codecs.lookup(export.csv.encoding).name in ("utf-8", "utf-8-sig", "ascii")
