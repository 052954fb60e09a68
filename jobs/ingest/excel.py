"""Turns a sheet of an Excel file (.xlsx) into CSV, a row at a time.

Numbers become plain digits, dates and times ISO 8601, formulas the value that Excel last computed.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conf.errors import DataError
from conf.settings.exports import Export
from jobs.ingest.unpack import SUSPICIOUS_RATIO, SUSPICIOUS_SIZE, Piece, limit, new_file, unpacked

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook


def sheet_to_csv(piece: Piece, export: Export, scratch: Path) -> tuple[Path, tuple[str, ...], int]:
    """Copy the contract's sheet to a CSV file in ``scratch``.

    Returns:
        The file, the names in its first row, and the number of rows below that.

    Raises:
        DataError: it is no Excel file, is too large when unpacked, or has no such sheet.
    """
    source, target = unpacked(piece, export, scratch, "xlsx"), new_file(scratch, "csv")
    _check_size(piece, source, export)
    rows = 0
    columns: tuple[str, ...] = ()
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
        for row in _rows(piece, source, export):
            if not columns:
                columns = _names(row)
                writer.writerow(columns)
                continue
            values = (*row, *[""] * (len(columns) - len(row)))
            if not any(values):
                continue
            if len(values) > len(columns):
                if any(values[len(columns) :]):
                    raise DataError(
                        f"{piece.name}: a row has values beyond its last named column; name every column in the "
                        "first row, or have the sheet mended"
                    )
                values = values[: len(columns)]
            writer.writerow(values)
            rows += 1
    return target, columns, rows


def _check_size(piece: Piece, source: Path, export: Export) -> None:
    """Refuse an Excel file, a zip inside, that would unpack to too much."""
    try:
        with zipfile.ZipFile(source) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        raise DataError(
            f"{piece.name}: is no whole Excel file (.xlsx); ask for it again, or have it saved as such"
        ) from None
    limit(piece.name, export, size)
    if size > SUSPICIOUS_SIZE and size > SUSPICIOUS_RATIO * source.stat().st_size:
        raise DataError(
            f"{piece.name}: unpacks to over {SUSPICIOUS_RATIO} times its size; have it saved as CSV if it is right"
        )


def _rows(piece: Piece, source: Path, export: Export) -> Iterator[tuple[str, ...]]:
    """Yield the rows from the header on, as text."""
    import openpyxl

    try:
        book = openpyxl.load_workbook(source, read_only=True, data_only=True, keep_links=False)
    except Exception:  # openpyxl raises what zip and XML make it raise
        raise DataError(f"{piece.name}: cannot be read as an Excel file (damaged); ask for it again") from None
    try:
        sheet = _sheet(piece, book, export)
        sheet.reset_dimensions()  # what a file says of its size is often wrong
        for number, row in enumerate(sheet.iter_rows(values_only=True)):
            if number >= export.csv.skip_lines and (number > export.csv.skip_lines or any(row)):
                yield tuple(_plain(value) for value in row)
    except DataError:
        raise
    except Exception:  # as above
        raise DataError(f"{piece.name}: cannot be read as an Excel file (damaged); ask for it again") from None
    finally:
        book.close()


def _sheet(piece: Piece, book: Workbook, export: Export) -> Any:
    if export.sheet is None:
        return book.worksheets[0]
    if export.sheet not in book.sheetnames:
        raise DataError(
            f"{piece.name}: has no sheet {export.sheet!r}; it has {', '.join(repr(name) for name in book.sheetnames)}"
        )
    return book[export.sheet]


def _names(row: tuple[str, ...]) -> tuple[str, ...]:
    """Return the header without empty cells at its end."""
    last = max((place for place, value in enumerate(row) if value), default=-1)
    return row[: last + 1]


def _plain(value: Any) -> str:
    """Return a cell's value as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        midnight = value.time() == time(0)
        return value.date().isoformat() if midnight else value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)
