"""Maps a source's exports to the canonical model, by the Spark SQL expressions of its YAML file.

Expressions must be analysed and run with ``spark.sql.ansi.enabled=false``: a bad value then gives NULL instead of
ending the job, and :func:`canonical_rows` turns that NULL into a fault of its row. It never silently stays a NULL:

* an expression's value that is not of the declared type is a fault, and
* so is a NULL where every column that the expression reads has a value. ``nullif(column, 'n/a')`` declares a
  value that means "none", and a ``case`` needs an ``else``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import Column, DataFrame, functions as F, types as T

from conf.errors import ConfigError
from conf.settings.source import Export, Part, Source, SourceTable
from conf.tables.canonical import BOOK_REFERENCES
from conf.tables.table import Table
from features.schemas import spark_type

#: where a row comes from: file, row in the file, day of the drop
ORIGIN = ("_file", "_row", "_ds")
_LITERAL = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\"")
_NULLIF = re.compile(r"nullif\(\s*`?(\w+)`?\s*,[^()]*\)", re.IGNORECASE)
#: whole numbers of Parquet files are widened, since without ANSI their products would wrap around
_WIDER: dict[type[T.DataType], T.DataType] = {
    T.ByteType: T.LongType(),
    T.ShortType: T.LongType(),
    T.IntegerType: T.LongType(),
    T.FloatType: T.DoubleType(),
}


def canonical_rows(raw: DataFrame, part: Part, table: Table) -> DataFrame:
    """Map one export's rows to a canonical table.

    Args:
        raw: the export as ingest left it: its columns and ``ORIGIN``; its session has ANSI off.
        part: conditions and expressions; a canonical column without one becomes NULL.
        table: the canonical table.

    Returns:
        The columns of ``table``, ``ORIGIN`` and ``_fault``: NULL, or ``cast:<column>`` of the first column whose
        value was there but is not of the declared type.

    Raises:
        ConfigError: an expression does not work on this export.
    """
    source = _with_plain_values(raw)
    known = [name for name in raw.columns if name not in ORIGIN]
    picked = source.where(part.where) if part.where else source
    inner, outer, faults = [], [], []
    for column in table.columns:
        text = part.columns.get(column.name)
        kind = spark_type(column.type)
        if text is None:
            outer.append(F.lit(None).cast(kind).alias(column.name))
            continue
        value, there = f"_value_{column.name}", f"_there_{column.name}"
        inner += [F.expr(text).alias(value), _all_there(text, known).alias(there)]
        typed = F.col(value).try_cast(kind)
        outer.append(typed.alias(column.name))
        present = F.col(value).isNotNull() | F.col(there)
        faults.append(F.when(typed.isNull() & present, F.lit(f"cast:{column.name}")))
    fault = F.coalesce(*faults, F.lit(None).cast("string")).alias("_fault")
    return picked.select(*ORIGIN, *inner).select(*outer, *ORIGIN, fault)


def check_source(source: Source, canonical: dict[str, Table]) -> None:
    """Refuse a source whose tables cannot become the canonical model.

    Raises:
        ConfigError: lists every table, export or column that does not exist or is missing.
    """
    faults = []
    for name, declared in source.tables.items():
        if name not in canonical:
            faults.append(f"tables.{name}: no such canonical table; there are {', '.join(canonical)}")
            continue
        faults += [f"tables.{name}: {fault}" for fault in _table_faults(declared, canonical[name], source)]
        faults += [
            f"tables.{name}.references: {column} is the key of no table of this source"
            for column in declared.references
            if not any(canonical[other].key == (column,) for other in source.tables if other in canonical)
        ]
        faults += [
            f"tables.{name}: {column} refers to {other}, which the source does not have"
            for column, (other, _) in BOOK_REFERENCES.get(name, {}).items()
            if other not in source.tables and any(column in part.columns for part in declared.parts)
        ]
    if faults:
        raise ConfigError("\n  ".join([f"the source {source.name} is not mapped rightly:", *faults]))


def check_expressions(raw: DataFrame, part: Part, table: Table) -> None:
    """Name the expression that Spark refuses.

    Raises:
        ConfigError: an expression does not parse, does not fit the export's columns, or cannot have its type.
    """
    source = _with_plain_values(raw)
    for column, text in [("where", part.where), *part.columns.items()]:
        if text is None:
            continue
        kind = T.BooleanType() if column == "where" else spark_type(table.column(column).type)
        try:
            source.select(F.expr(text).try_cast(kind))
        except (AnalysisException, ParseException) as error:
            said = str(error).strip().splitlines()[0]
            raise ConfigError(
                f"tables.{table.name}.{column} over export {part.export}: `{text}` does not work: {said}"
            ) from None


def referenced(text: str, known: list[str]) -> list[str]:
    """Return the columns of ``known`` that a Spark SQL expression reads.

    >>> referenced("concat('id ', campaign_id)", ["id", "campaign_id"])
    ['campaign_id']
    """
    words = {word.lower() for word in re.findall(r"\w+", _LITERAL.sub(" ", text))}
    return [name for name in known if name.lower() in words]


def shown_columns(source: Source, export: str, canonical: dict[str, Table]) -> list[str]:
    """Return the columns of ``export`` that hold no personal data: those that feed only columns that hold none.

    A column that feeds nothing is left out too, since nobody has said what is in it.
    """
    known = source.exports[export].columns
    personal: set[str] = set()
    harmless: set[str] = set()
    for name, declared in source.tables.items():
        for part in (part for part in declared.parts if part.export == export):
            for column, text in part.columns.items():
                hidden = canonical[name].column(column).personal or column in declared.personal
                (personal if hidden else harmless).update(referenced(text, known))
    return [name for name in known if name in harmless - personal]


def _table_faults(declared: SourceTable, table: Table, source: Source) -> Iterator[str]:
    needed = {column.name for column in table.columns if not column.nullable}
    for part in declared.parts:
        if part.export not in source.exports:
            yield f"no export is called {part.export}"
        if unknown := sorted(set(part.columns) - set(table.names)):
            yield f"column(s) {', '.join(unknown)} do not exist; there are {', '.join(table.names)}"
        if missing := sorted(needed - set(part.columns)):
            yield f"export {part.export} must fill column(s) {', '.join(missing)}"
    if unknown := sorted({*declared.personal, *declared.references} - set(table.names)):
        yield f"column(s) {', '.join(unknown)} do not exist; there are {', '.join(table.names)}"


def missing_columns(raw: DataFrame, export: Export) -> list[str]:
    """Return the columns of the contract, origin included, that a raw table lacks."""
    return [name for name in (*export.columns, *ORIGIN) if name not in raw.columns]


def _with_plain_values(raw: DataFrame) -> DataFrame:
    """Take the empty string for no value, and widen small numbers."""
    columns = []
    for field in raw.schema.fields:
        column = F.col(f"`{field.name}`")
        if isinstance(field.dataType, T.StringType):
            column = F.when(column != "", column)
        elif type(field.dataType) in _WIDER:
            column = column.cast(_WIDER[type(field.dataType)])
        columns.append(column.alias(field.name))
    return raw.select(columns)


def _all_there(text: str, known: list[str]) -> Column:
    """Tell whether every column that ``text`` reads has a value; false where it reads none."""
    declared_none = _NULLIF.findall(text)
    conditions = [F.expr(match.group(0)).isNotNull() for match in _NULLIF.finditer(text)]
    conditions += [F.col(f"`{name}`").isNotNull() for name in referenced(text, known) if name not in declared_none]
    if not conditions:
        return F.lit(False)
    result = conditions[0]
    for condition in conditions[1:]:
        result = result & condition
    return result
