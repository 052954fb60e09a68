"""Reads the tables of ``nbo match`` and ``nbo dedup``: CSV files of any usual form, and Parquet files, all as text."""

from __future__ import annotations

import codecs
import csv
from pathlib import Path

import numpy as np
import pandas as pd

from conf.errors import ConfigError, DataError

#: names of a column that names the records
IDS = ("id", "_id", "ID", "Id", "rec_id", "record_id", "product_id", "unique_id")
SEPARATORS = ",;\t|#%"
#: lines by which the separator is found
LOOKED_AT = 20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip


def read(file: str) -> pd.DataFrame:
    """Read a CSV file (columns apart by one of , ; tab | # %; UTF-8, UTF-16, cp1251 or Latin-1) or a Parquet file.

    Returns:
        Strings, "" where missing. The empty column that a delimiter at the lines' ends makes is left out.

    Raises:
        ConfigError: there is no such file.
        DataError: it cannot be read, or has no rows.
    """
    path = Path(file)
    if not path.is_file():
        raise ConfigError(f"there is no file {file}")
    try:
        table = pd.read_parquet(path).astype("string") if path.suffix == ".parquet" else _read_csv(path)
    except pd.errors.EmptyDataError:
        raise DataError(f"{file} is empty; expected a header and rows") from None
    except pd.errors.ParserError as error:
        raise DataError(f"{file} cannot be read: {error}") from None
    except (ValueError, OSError, csv.Error) as error:
        raise DataError(f"{file} cannot be read: {error}") from None
    if not len(table):
        raise DataError(f"{file} has no rows")
    return table.fillna("")


def encoding_of(content: bytes) -> str:
    """Return the encoding of a text by its mark, else UTF-8, else cp1251 or Latin-1 by which letters it would have.

    Raises:
        ValueError: it has zero bytes, so that it is no text in any of them.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding
    if b"\0" in content:
        for encoding, odd in (("utf-16-le", content[1::2]), ("utf-16-be", content[0::2])):
            if odd.count(0) > len(odd) // 4:
                return encoding
        raise ValueError("it holds zero bytes and no mark of UTF-16; save it as UTF-8")
    try:
        content.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError:
        high = np.frombuffer(content, np.uint8)
        high = high[high >= 0x80]
        # runs of Cyrillic letters fill a text, while accented Latin letters stand alone
        codes = np.frombuffer(content, np.uint8)
        runs = ((codes[1:] >= 0xC0) & (codes[:-1] >= 0xC0)).sum()
        return "cp1251" if len(high) and runs > 0.4 * len(high) else "latin-1"


def separator_of(lines: list[str]) -> str:
    """Return what stands between the columns: what the header has, most evenly over the lines.

    >>> separator_of(["id#title#price", "1#a, b, c, d#3"])
    '#'
    """
    best, most = ",", (-1.0, 0)
    for mark in SEPARATORS:
        rows = [row for row in csv.reader(lines, delimiter=mark) if row]
        if not rows or len(rows[0]) < 2:
            continue
        even = float(np.mean([len(row) in (len(rows[0]), len(rows[0]) + 1) for row in rows]))
        if (even, len(rows[0])) > most:
            best, most = mark, (even, len(rows[0]))
    return best


def _read_csv(path: Path) -> pd.DataFrame:
    content = path.read_bytes()
    encoding = encoding_of(content)
    lines = content[:200_000].decode(encoding, errors="ignore").splitlines()[:LOOKED_AT]
    if not any(line.strip() for line in lines):
        raise pd.errors.EmptyDataError
    table = pd.read_csv(
        path, sep=separator_of(lines), dtype="string", encoding=encoding, skipinitialspace=True, index_col=False,
        keep_default_na=False, na_values=["", "NULL", "null", "NaN", "nan", "N/A"],
    )  # fmt: skip
    table.columns = [str(name).strip() for name in table.columns]
    nameless = [name for name in table.columns if name.startswith("Unnamed:") or not name]
    return table.drop(columns=[name for name in nameless if table[name].isna().all()])


def ids(table: pd.DataFrame, wanted: str | None, file: str) -> pd.Series:
    """Return the column that names the records: the one asked for, else one called so, else row numbers.

    Raises:
        ConfigError: the file lacks the column.
        DataError: its values are not unique; the message says in which line, not which value.
    """
    name = wanted or next((name for name in IDS if name in table.columns), None)
    if name is None:
        return pd.Series(np.arange(len(table)), name="row")
    if name not in table.columns:
        raise ConfigError(f"{file} has no column {name}; it has {', '.join(table.columns)}")
    twice = table[name].duplicated()
    if twice.any():
        raise DataError(
            f"{file}: {table[name][twice].nunique()} value(s) of {name} stand in several rows, first in data row "
            f"{int(np.flatnonzero(twice)[0]) + 1}; name another column by --id"
        )
    return table[name]
