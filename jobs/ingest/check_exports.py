"""Checks one dropped file before it is read: whole, not too large, decodable, and with the columns agreed on.

Nothing of a file's content gets into a message: where a header is missing, its first line is personal data.
Cost: one streaming pass over the file in constant memory, and a second one that copies it where DuckDB could not
read it as it is. Excel and JSON arrays are always copied, to CSV and JSON Lines.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from conf.errors import DataError
from conf.settings.exports import Csv, Export, numbered
from jobs.ingest.excel import sheet_to_csv
from jobs.ingest.exports import Drop
from jobs.ingest.json_arrays import array_to_lines
from jobs.ingest.unpack import Piece, limit, new_file, pieces, texts, unpacked

#: characters of a text file that must hold its header
HEAD = 1 << 16
#: longer lines are cut to this, still long enough to be refused as a row: DuckDB loses a line beyond its buffer
LONGEST = 4_000_000
#: names that DuckDB gives itself while it reads Parquet
_TAKEN = frozenset({"filename", "file_row_number", "file_index", "nbo_path"})


@dataclass(frozen=True)
class Checked:
    """A file that can be read; ``path`` is the file itself or a copy in a form that DuckDB reads.

    ``name`` is its path within the export folder, ``columns`` are those of the file, in its order; ``stored`` are
    the names of a Parquet copy, where they are others.
    """

    name: str
    drop: Drop
    path: Path
    columns: tuple[str, ...] = ()
    lines: int = 0
    has_nul: bool = False
    stored: tuple[str, ...] = ()


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
        """Return whether lines end in several ways, or in the way of old Macs."""
        return self.newlines.newlines not in (None, "\n", "\r\n")


def check(drop: Drop, export: Export, scratch: Path) -> list[Checked]:
    """Check one file, or the members of a zip.

    Args:
        drop: the file.
        export: its contract.
        scratch: folder for copies, where one is needed.

    Returns:
        What to read; nothing when there is nothing in the file and that is no fault.

    Raises:
        DataError: the file is not what the contract says.
    """
    if drop.bytes == 0:
        _refuse_empty(Piece(drop), export)
        return []
    results = [_check_piece(piece, export, scratch) for piece in pieces(drop, export)]
    return [checked for checked in results if checked]


def dialect(export: Export) -> Csv:
    """Return how the text that is read is written: an Excel file has become CSV of the plainest kind."""
    return Csv(nulls=export.csv.nulls) if export.format == "xlsx" else export.csv


def places(header: list[str], export: Export) -> list[int | None]:
    """Return where each column of the contract stands among the names ``header``; None where it is missing.

    Of a name that stands twice, the contract's first is the file's first.
    """
    standing: dict[str, list[int]] = {}
    for place, name in enumerate(header):
        standing.setdefault(name, []).append(place)
    unique = {name: place for place, name in enumerate(numbered(header)[0])}
    seen: Counter[str] = Counter()
    result: list[int | None] = []
    for name in export.names:
        at, number = standing.get(name, []), seen[name]
        seen[name] += 1
        result.append(at[number] if number < len(at) else unique.get(name))
    return result


def compare(name: str, header: list[str], export: Export) -> None:
    """Hold the columns found in the file ``name`` to the contract; their order is free.

    Raises:
        DataError: some are missing, not declared, or stand there twice.
    """
    agreed = export.names
    at = places(header, export)
    extra = sorted({header[place] for place in range(len(header)) if place not in at})
    if None not in at and (not extra or export.other_columns == "ignore"):
        return
    if not {column.strip().lower() for column in header} & {column.strip().lower() for column in agreed}:
        raise DataError(
            f"{name}: has no header: none of the {len(header)} name(s) at its top is among the {len(agreed)} columns "
            f"of the contract ({', '.join(agreed)}); ask for the header, or mend the delimiter under `csv`"
        )
    twice = sorted(column for column, count in Counter(header).items() if count > 1 and column in extra)
    faults = {
        "missing": [column for column, place in zip(agreed, at, strict=True) if place is None],
        "not declared": [column for column in extra if column not in twice],
        "twice": twice,
    }
    if export.other_columns == "ignore":
        faults = {"missing": faults["missing"]}
    listed = "; ".join(
        f"{what}: {', '.join(repr(column[:60]) for column in columns)}" for what, columns in faults.items() if columns
    )
    raise DataError(
        f"{name}: the columns are not those of the contract; {listed}; have the export mended, or change "
        "the columns and their mapping in the source's YAML"
    )


def _check_piece(piece: Piece, export: Export, scratch: Path) -> Checked | None:
    if export.format == "parquet":
        return _check_parquet(piece, export, scratch)
    if export.format == "json":
        path = new_file(scratch, "jsonl")
        rows = array_to_lines(piece.name, texts(piece, export), export.records, path, LONGEST)
        return Checked(piece.name, piece.drop, path, (), rows, has_nul=True)
    if export.format == "xlsx":
        path, columns, rows = sheet_to_csv(piece, export, scratch)
        compare(piece.name, list(columns), export)
        return Checked(piece.name, piece.drop, path, columns, rows + 1, has_nul=False)
    text = _scan(piece, export)
    if not text.head.strip():
        _refuse_empty(piece, export)
        return None
    columns = _header(text.head, export) if export.format == "csv" else ()
    if export.format == "csv":
        compare(piece.name, list(columns), export)
    else:
        _refuse_array(piece, text.head)
    path, packed = piece.drop.path, piece.member is not None
    odd_path = any(sign in str(path) for sign in "*?[")  # DuckDB would take it for a pattern
    cut = export.csv.skip_lines > 0 or text.mixed or text.longest > LONGEST
    if cut or packed or odd_path or not _is_utf8(export):
        path = new_file(scratch, export.format)
        _copy(piece, export, text, path)
    return Checked(piece.name, piece.drop, path, tuple(columns), text.lines - export.csv.skip_lines, text.nul)


def _header(head: str, export: Export) -> tuple[str, ...]:
    form = export.csv
    with suppress(csv.Error, StopIteration):
        rows = csv.reader(
            io.StringIO(_without_lines(head, form.skip_lines), newline=""),
            delimiter=form.delimiter,
            quotechar=form.quote or None,
            quoting=csv.QUOTE_MINIMAL if form.quote else csv.QUOTE_NONE,
            escapechar=form.escape if form.escape != form.quote else None,
            strict=True,
        )
        return tuple(next(rows))
    return ()


def _refuse_array(piece: Piece, head: str) -> None:
    if head.lstrip().startswith("["):
        raise DataError(f"{piece.name}: is one JSON array, not an object a line; declare `format: json` for the export")


def _refuse_empty(piece: Piece, export: Export) -> None:
    if not export.may_be_empty:
        raise DataError(
            f"{piece.name}: is empty ({piece.drop.bytes} bytes, no text); ask for the file, or declare may_be_empty"
        )


def _check_parquet(piece: Piece, export: Export, scratch: Path) -> Checked:
    path = unpacked(piece, export, scratch, "parquet")
    try:
        with path.open("rb") as stream:
            file = pq.ParquetFile(stream)
            groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
            names = file.schema_arrow.names
    except (pa.ArrowException, OSError):
        raise DataError(f"{piece.name}: is no whole Parquet file (cut off or damaged); ask for it again") from None
    limit(piece.name, export, sum(group.total_byte_size for group in groups))
    compare(piece.name, names, export)
    lower = [name.lower() for name in names]
    odd_path = any(sign in str(path) for sign in "*?[")
    if odd_path or len(set(lower)) < len(lower) or _TAKEN & set(lower):
        path = _renamed(piece, path, new_file(scratch, "parquet"))
        return Checked(piece.name, piece.drop, path, tuple(names), stored=tuple(stand_ins(len(names))))
    return Checked(piece.name, piece.drop, path, tuple(names))


def stand_ins(number: int) -> list[str]:
    """Return names for columns by their place, where their own could mean something else to a reader."""
    return [f"c{place}" for place in range(number)]


def _renamed(piece: Piece, source: Path, target: Path) -> Path:
    """Write a Parquet file again with names by place, since DuckDB gives some of its own."""
    try:
        with pq.ParquetFile(source) as file:
            schema = file.schema_arrow
            names = stand_ins(len(schema.names))
            schema = pa.schema([kept.with_name(name) for kept, name in zip(schema, names, strict=True)])
            with pq.ParquetWriter(target, schema) as writer:
                for batch in file.iter_batches():
                    writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
    except (pa.ArrowException, OSError):
        raise DataError(f"{piece.name}: cannot be read as parquet (damaged); ask for it again") from None
    return target


def _scan(piece: Piece, export: Export) -> _Text:
    """Read a text file to its end."""
    scanned, length = _Text(), 0
    for text in texts(piece, export):
        scanned.head += text[: HEAD - len(scanned.head)]
        scanned.nul = scanned.nul or "\0" in text or (export.format == "jsonl" and "\\u0000" in text)
        scanned.newlines.decode(text)
        scanned.lines += text.count("\n")
        first, last = text.find("\n"), text.rfind("\n")
        scanned.longest = max(scanned.longest, length + (len(text) if first < 0 else first))
        length = length + len(text) if last < 0 else len(text) - last - 1
    scanned.lines += length > 0
    return scanned


def _copy(piece: Piece, export: Export, scanned: _Text, target: Path) -> None:
    """Write a file again in UTF-8, with one kind of line ends and no line much longer than ``LONGEST``."""
    newlines = io.IncrementalNewlineDecoder(None, translate=scanned.mixed)
    length, skip = 0, export.csv.skip_lines
    with target.open("w", encoding="utf-8", newline="") as copy:
        for text in _then_none(texts(piece, export)):
            plain = newlines.decode(text or "", final=text is None)
            while skip and plain:
                _, end, plain = plain.partition("\n")
                skip -= bool(end)
            if scanned.longest <= LONGEST:
                copy.write(plain)
                continue
            first, *rest = plain.split("\n")
            copy.write(first[: max(0, LONGEST - length)])
            length += len(first)
            for line in rest:
                copy.write("\n" + line[:LONGEST])
                length = len(line)


def _then_none(items: Iterator[str]) -> Iterator[str | None]:
    yield from items
    yield None


def _without_lines(text: str, number: int) -> str:
    for _ in range(number):
        text = text.partition("\n")[2]
    return text


def _is_utf8(export: Export) -> bool:
    return codecs.lookup(export.csv.encoding).name in ("utf-8", "utf-8-sig", "ascii")
