"""``nbo match`` and ``nbo dedup``: which records of files are one, without labels and without an installation's data.

A record is one text of its columns. Columns of prices are left out unless they are asked for: shops ask different
prices for one product.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from conf.errors import ConfigError, DataError
from conf.settings.schema import Settings

log = logging.getLogger("nbo")
#: rows up to which a table is compared by character n-grams; a larger one by words and codes, as a catalogue is
LARGE = 60_000
_IDS = ("id", "_id", "ID", "Id", "rec_id", "record_id", "product_id", "unique_id")
_PRICE = re.compile("price|cost|amount|цена|стоимость", re.IGNORECASE)
_DECIMAL = r"\s*[^\w\s]?\s*\d[\d,]*\.\d+\s*[^\w\s]?\s*"


def command(settings: Settings, args: argparse.Namespace) -> int:
    """Run ``nbo match`` or ``nbo dedup`` and write a CSV file, or print it."""
    found = _matched(args) if args.command == "match" else _grouped(args)
    if args.out:
        found.to_csv(args.out, index=False)
        log.info("%s: %s rows", args.out, f"{len(found):,}")
    else:
        found.to_csv(sys.stdout, index=False)
    return 0


def _matched(args: argparse.Namespace) -> pd.DataFrame:
    from features.matching.two_sources import match

    tables = [read(file) for file in (args.left, args.right)]
    keys = [ids(table, args.id, file) for table, file in zip(tables, (args.left, args.right), strict=True)]
    texts = [text(table, args.text, key.name, file) for table, key, file in
             zip(tables, keys, (args.left, args.right), strict=True)]  # fmt: skip
    found = match(*texts)
    if found.repeats:
        log.info("the %s side holds records several times", " and the ".join(found.repeats))
    log.info("%s matches; similarity from %.3f on", f"{len(found.left):,}", found.threshold)
    return pd.DataFrame(
        {
            "left_id": keys[0].to_numpy()[found.left],
            "right_id": keys[1].to_numpy()[found.right],
            "confidence": found.confidence.round(4),
        }
    )


def _grouped(args: argparse.Namespace) -> pd.DataFrame:
    table = read(args.file)
    key = ids(table, args.id, args.file)
    texts = text(table, args.text, key.name, args.file)
    if len(texts) > LARGE:
        from features.catalogue.config import CatalogueConfig
        from features.catalogue.titles import cluster

        clusters = cluster(pa.array(texts), CatalogueConfig())
        alone = np.arange(len(texts)).astype(np.uint64)
        _, groups = np.unique(np.where(clusters.keys == 0, alone, clusters.centres), return_inverse=True)
        first = pd.Series(np.arange(len(texts))).groupby(groups).transform("min").to_numpy()
        confidence = clusters.confidence.astype(float)
    else:
        from features.matching.one_source import group

        found = group(texts)
        first, confidence = found.centres, found.confidence
        log.info("similarity from %.3f on", found.threshold)
    log.info("%s records, %s clusters", f"{len(texts):,}", f"{len(np.unique(first)):,}")
    named = key.to_numpy()
    return pd.DataFrame({"id": named, "cluster": named[first], "confidence": confidence.round(4)})


def read(file: str) -> pd.DataFrame:
    """Read a CSV file (any of , ; tab | between columns; UTF-8, else Latin-1) or a Parquet file, all as text.

    Raises:
        ConfigError: there is no such file.
        DataError: it cannot be read, or has no rows.
    """
    path = Path(file)
    if not path.is_file():
        raise ConfigError(f"there is no file {file}")
    try:
        table = pd.read_parquet(path).astype("string") if path.suffix == ".parquet" else _read_csv(path)
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise DataError(f"{file} cannot be read: {error}") from None
    if not len(table):
        raise DataError(f"{file} has no rows")
    return table.fillna("")


def _read_csv(path: Path) -> pd.DataFrame:
    for encoding in ("utf-8-sig", "latin-1"):
        try:
            head = pd.read_csv(path, nrows=0, sep="\0", engine="python", encoding=encoding).columns[0]
            between = max(",;\t|", key=head.count)
            return pd.read_csv(path, sep=between, dtype="string", encoding=encoding, skipinitialspace=True)
        except UnicodeDecodeError:
            continue
    raise ValueError("neither UTF-8 nor Latin-1")


def ids(table: pd.DataFrame, wanted: str | None, file: str) -> pd.Series:
    """Return the column that names the records: the one asked for, else one called so, else row numbers.

    Raises:
        ConfigError: the file lacks the column.
        DataError: its values are not unique.
    """
    name = wanted or next((each for each in _IDS if each in table.columns), None)
    if name is None:
        return pd.Series(np.arange(len(table)), name="row")
    if name not in table.columns:
        raise ConfigError(f"{file} has no column {name}; it has {', '.join(table.columns)}")
    twice = table[name][table[name].duplicated()].unique()
    if len(twice):
        raise DataError(f"{file}: {len(twice)} value(s) of {name} stand in several rows, e.g. {twice[0]}")
    return table[name]


def text(table: pd.DataFrame, wanted: str | None, key: object, file: str) -> list[str]:
    """Return each record as one text of the columns asked for, else of all but the key and prices.

    Raises:
        ConfigError: the file lacks a column, or none is left.
    """
    names = [name.strip() for name in wanted.split(",")] if wanted else []
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise ConfigError(f"{file} has no column(s) {', '.join(missing)}; it has {', '.join(table.columns)}")
    chosen = names or [name for name in table.columns if name != key and not _is_price(table[name])]
    if not chosen:
        raise ConfigError(f"{file} has no text to compare; name columns by --text")
    log.info("%s: compared are %s", file, ", ".join(chosen))
    return table[chosen].agg(" ".join, axis=1).tolist()


def _is_price(column: pd.Series) -> bool:
    """Tell whether a column is called so, or most values are decimal numbers or amounts of money."""
    if _PRICE.search(str(column.name)):
        return True
    values = column[column != ""]
    money = values.str.fullmatch(_DECIMAL) | values.str.fullmatch(r"\s*[$€£₽]\s*[\d.,]+\s*")
    return bool(len(values)) and float(money.mean()) > 0.5
