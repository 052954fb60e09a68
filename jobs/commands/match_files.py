"""``nbo match`` and ``nbo dedup``: which records of files are one, without labels and without an installation's data.

What kind of value each column holds is found by looking, and written to the log. Prices are not compared unless they
are asked for: shops ask different prices for one product.
"""

from __future__ import annotations

import argparse
import logging
import sys

import numpy as np
import pandas as pd

from conf.errors import ConfigError
from conf.settings.schema import Settings
from features.matching.columns import LEFT_OUT, Kind, kinds_of
from jobs.commands.read_records import ids, read

log = logging.getLogger("nbo")


def command(settings: Settings, args: argparse.Namespace) -> int:
    """Run ``nbo match`` or ``nbo dedup`` and write a CSV file, or print it; or explain one pair of records."""
    if args.explain:
        print("\n".join(_explained(args)))
        return 0
    result = _matched(args) if args.command == "match" else _grouped(args)
    if args.out:
        result.to_csv(args.out, index=False)
        log.info("%s: %s rows", args.out, f"{len(result):,}")
    else:
        result.to_csv(sys.stdout, index=False)
    return 0


def _matched(args: argparse.Namespace) -> pd.DataFrame:
    from features.matching.two_sources import match

    keys, tables = _two(args)
    left, right = tables
    matches = match(left, right, kinds(pd.concat(tables, ignore_index=True), args.text))
    if matches.repeats:
        log.info("the %s side holds records several times", " and the ".join(matches.repeats))
    log.info("%s matches; chance from %.2f on", f"{len(matches.left):,}", matches.threshold)
    return pd.DataFrame(
        {
            "left_id": keys[0].to_numpy()[matches.left],
            "right_id": keys[1].to_numpy()[matches.right],
            "confidence": matches.confidence.round(4),
        }
    )


def _grouped(args: argparse.Namespace) -> pd.DataFrame:
    from features.matching.one_source import group

    key, table = _one(args)
    groups = group(table, kinds(table, args.text))
    clusters = len(np.unique(groups.centres))
    log.info("%s records, %s clusters; chance from %.2f on", f"{len(table):,}", f"{clusters:,}", groups.threshold)
    named = key.to_numpy()
    return pd.DataFrame({"id": named, "cluster": named[groups.centres], "confidence": groups.confidence.round(4)})


def _explained(args: argparse.Namespace) -> list[str]:
    """Return what speaks for and against two records.

    Raises:
        ConfigError: a record is not there, or is there several times.
    """
    from features.matching.comparison import compare
    from features.matching.explain import explain, row_of
    from features.matching.records import prepare

    if args.command == "match":
        keys, tables = _two(args)
        table, split = pd.concat(tables, ignore_index=True), len(tables[0])
        rows = [_row(keys[0], args.explain[0], args.left), split + _row(keys[1], args.explain[1], args.right)]
    else:
        key, table = _one(args)
        split, rows = None, [_row(key, name, args.file) for name in args.explain]
    records = prepare(table, split, kinds(table, args.text))
    comparison = compare(records)
    place = row_of(comparison, *rows)
    if place is None:
        return ["the two records were not compared: each has many nearer ones, or they have nothing in common"]
    chance = 1 / (1 + np.exp(-comparison.odds[place]))
    return [*explain(records, comparison, place), f"chance by this evidence alone: {chance:.2f}"]


def _row(key: pd.Series, name: str, file: str) -> int:
    rows = np.flatnonzero(key.astype(str) == name)
    if len(rows) != 1:
        raise ConfigError(f"{file} has {len(rows)} records with the id asked for by --explain; expected one")
    return int(rows[0])


def _one(args: argparse.Namespace) -> tuple[pd.Series, pd.DataFrame]:
    table = read(args.file)
    key = ids(table, args.id, args.file)
    return key, columns(table, args.text, key.name, args.file)


def _two(args: argparse.Namespace) -> tuple[list[pd.Series], list[pd.DataFrame]]:
    """Return the keys and the compared columns of both files: those of the same name, else each file's as one text."""
    files = args.left, args.right
    tables = [read(file) for file in files]
    keys = [ids(table, args.id, file) for table, file in zip(tables, files, strict=True)]
    chosen = [columns(*given) for given in zip(tables, [args.text] * 2, [key.name for key in keys], files, strict=True)]
    common = [name for name in chosen[0].columns if name in chosen[1].columns]
    if common:
        alone = [name for table in chosen for name in table.columns if name not in common]
        if alone:
            log.info("only one file has %s; not compared", ", ".join(alone))
        return keys, [table[common] for table in chosen]
    log.info("the files have no column of the same name; each record is compared as one text")
    return keys, [pd.DataFrame({"text": table.agg(" ".join, axis=1).astype("string")}) for table in chosen]


def columns(table: pd.DataFrame, wanted: str | None, key: object, file: str) -> pd.DataFrame:
    """Return the columns asked for, else all but the key.

    Raises:
        ConfigError: the file lacks a column, or none is left.
    """
    names = [name.strip() for name in wanted.split(",")] if wanted else []
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise ConfigError(f"{file} has no column(s) {', '.join(missing)}; it has {', '.join(table.columns)}")
    chosen = names or [name for name in table.columns if name != key]
    if not chosen:
        raise ConfigError(f"{file} has no text to compare; name columns by --text")
    return table[chosen]


def kinds(table: pd.DataFrame, wanted: str | None) -> dict[str, Kind]:
    """Return the kind of each compared column and log them; a column asked for is compared whatever it holds.

    Raises:
        ConfigError: no column holds anything to compare.
    """
    by_column = kinds_of(table)
    if wanted:
        by_column = {name: Kind.NUMBER if kind in LEFT_OUT else kind for name, kind in by_column.items()}
    left_out = [f"{name} ({kind})" for name, kind in by_column.items() if kind in LEFT_OUT]
    if len(left_out) == len(by_column):
        raise ConfigError(f"nothing to compare but {', '.join(left_out)}; name columns by --text")
    compared = [f"{name} ({kind})" for name, kind in by_column.items() if kind not in LEFT_OUT]
    log.info("compared are %s%s", ", ".join(compared), f"; left out {', '.join(left_out)}" if left_out else "")
    return by_column
