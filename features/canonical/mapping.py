"""Maps a source's exports to the canonical model, by the Spark SQL expressions of its YAML file.

Expressions must be analysed and run with ``spark.sql.ansi.enabled=false``: a bad value then gives NULL instead of
ending the job, and :func:`canonical_rows` turns that NULL into a fault of its row. It never silently stays a NULL:

* an expression's value that is not of the declared type is a fault, and
* so is a NULL where every column that the expression reads has a value. ``nullif(column, 'n/a')`` declares a
  value that means "none", and a ``case`` needs an ``else``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import reduce

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import Column, DataFrame, functions as F, types as T

from conf.errors import ConfigError
from conf.settings.consent import Ids
from conf.settings.expressions import quote, referenced
from conf.settings.source import Export, Part, Source, SourceTable
from conf.tables.canonical import BOOK_REFERENCES
from conf.tables.table import Column as DeclaredColumn, Table
from features.canonical.ids import as_text, is_key, is_mangled, is_no_customer, is_total, trimmed, written
from features.canonical.stamps import is_stamp, strict_stamps
from features.schemas import spark_type

#: where a row comes from: file, row in the file, day of the drop
ORIGIN = ("_file", "_row", "_ds")
#: added to a mapped row: what is wrong with it, why it is no row, and a hash of it as it came
MARKS = ("_fault", "_out", "_hash")
#: why a row is no row of the table: its condition leaves it out, it withdraws what earlier deliveries brought under
#: its key, or it withdraws whatever came before it
DROPPED, DELIVERY, ROW = "dropped", "delivery", "row"
#: of all these, what withdraws others; and the row of a customer who was erased, which is none whatever it says
WITHDRAWING, ERASED = (DELIVERY, ROW), "erased"
#: what a fault is called before the column it was found in
CAST, NO_CUSTOMER, TOTAL, MANGLED = "cast", "placeholder", "total_line", "mangled_key"
_NULLIF = re.compile(r"nullif\(\s*(`(?:[^`]|``)+`|\w+)\s*,[^()]*\)", re.IGNORECASE)
#: a whole number with dots between its thousands, or a number with three decimals
_THOUSANDS = r"^\s*[+-]?[1-9]\d{0,2}(\.\d{3})+\s*$"
#: columns of customers whose blanks at the ends do not count
CONTACTS = ("email", "phone")
#: whole numbers of Parquet files are widened, since without ANSI their products would wrap around
_WIDER: dict[type[T.DataType], T.DataType] = {
    T.ByteType: T.LongType(),
    T.ShortType: T.LongType(),
    T.IntegerType: T.LongType(),
    T.FloatType: T.DoubleType(),
}


@dataclass(frozen=True)
class Reading:
    """How the texts of an export are read.

    ``implied``: a row that ``where`` drops withdraws what earlier deliveries brought under its key. ``thousands``:
    raw columns whose ``1.000`` may be a thousand, so that it is no number.
    """

    ids: Ids = field(default_factory=Ids)
    implied: bool = False
    thousands: frozenset[str] = frozenset()


def canonical_rows(raw: DataFrame, part: Part, table: Table, reading: Reading | None = None) -> DataFrame:
    """Map one export's rows to a canonical table.

    Args:
        raw: the export as ingest left it: its columns and ``ORIGIN``; its session has ANSI off.
        part: conditions and expressions; a canonical column without one becomes NULL.
        table: the canonical table.
        reading: how keys and numbers are read.

    Returns:
        The columns of ``table``, ``ORIGIN`` and ``MARKS``. ``_fault`` is NULL or, for the first thing that is wrong,
        ``total_line``, ``placeholder:<column>``, ``mangled_key:<column>`` or, where a value was there but is not of
        the declared type, ``cast:<column>``. ``_out`` is NULL or, where the row is none of the table, ``dropped``
        (``where`` leaves it out), ``row`` (it withdraws what came before it) or ``delivery`` (it withdraws what
        earlier deliveries brought); such a row has only its key, its money and its origin.

    Raises:
        ConfigError: an expression does not work on this export.
    """
    reading = reading or Reading()
    columns = [name for name in raw.columns if name not in ORIGIN]
    marked = _with_plain_values(raw).withColumns(
        {"_out": _out(part, reading), "_hash": F.xxhash64(*(F.col(quote(name)) for name in columns))}
    )
    texts = {name: text for name, text in part.columns.items() if name in table.names}
    inner = [F.expr(strict_stamps(text)).alias(f"_value_{name}") for name, text in texts.items()]
    there = [_all_there(text, columns).alias(f"_there_{name}") for name, text in texts.items()]
    blank = F.array(*(F.col(quote(f.name)) for f in raw.schema.fields if isinstance(f.dataType, T.StringType)
                      and f.name not in ORIGIN))  # fmt: skip
    total = F.exists(blank, lambda text: is_total(trimmed(text), reading.ids)).alias("_total")
    doubtful = [
        _may_be_thousands(text, columns, reading.thousands).alias(f"_doubtful_{name}") for name, text in texts.items()
    ]
    frame = marked.select(*ORIGIN, "_out", "_hash", total, *inner, *there, *doubtful)
    kinds = {name.removeprefix("_value_"): kind for name, kind in ((f.name, f.dataType) for f in frame.schema.fields)}
    texts_of_keys = [
        trimmed(as_text(F.col(f"_value_{name}"), kinds[name])).alias(f"_text_{name}") for name in texts if is_key(name)
    ]
    typed = [
        (_typed(column, kinds[column.name], reading.ids) if column.name in texts else F.lit(None))
        .cast(spark_type(column.type))
        .alias(f"_typed_{column.name}")
        for column in table.columns
    ]
    # a projection a step: what a later step names several times Spark works out once, and keeps its code small
    frame = frame.select("*", *texts_of_keys).select("*", *typed)
    fault = F.coalesce(*_faults(texts, table, reading.ids), F.lit(None).cast("string"))
    live = F.col("_out").isNull()
    kept = [
        # of what is left out no more is needed than its key and its money
        (value if name in table.key or name == "amount" else F.when(live, value)).alias(name)
        for name, value in ((name, F.col(f"_typed_{name}")) for name in table.names)
    ]
    return frame.select(*kept, *ORIGIN, F.when(live, fault).alias("_fault"), "_out", "_hash")


def customer_keys(raw: DataFrame, part: Part, ids: Ids) -> DataFrame:
    """Return ``ORIGIN`` and ``customer_id`` of an export's rows, the key as :func:`canonical_rows` writes it.

    Args:
        raw: the export as ingest left it; its session has ANSI off.
        part: how it feeds a table, ``customer_id`` among its columns.
        ids: how keys are unified.
    """
    value = F.expr(strict_stamps(part.columns["customer_id"])).alias("_value")
    frame = _with_plain_values(raw).select(*ORIGIN, value)
    text = trimmed(as_text(F.col("_value"), frame.schema["_value"].dataType)).alias("_text")
    return frame.select(*ORIGIN, text).select(*ORIGIN, written(F.col("_text"), "customer_id", ids).alias("customer_id"))


def without_erased(rows: DataFrame, secret: str, hashes: Collection[str]) -> DataFrame:
    """Mark mapped rows of erased customers as ``erased``, so that they are counted and become rows of no table.

    Args:
        rows: mapped rows with ``customer_id`` and ``MARKS``.
        secret: what goes before a key when its hash is made.
        hashes: hexadecimal SHA-256 of ``<secret>:<key>`` of the erased customers.
    """
    hashed = F.sha2(F.concat(F.lit(f"{secret}:"), F.col("customer_id")), 256)
    gone = F.coalesce(hashed.isin(*sorted(hashes)), F.lit(False))
    return rows.withColumn("_out", F.when(gone, ERASED).otherwise(F.col("_out")))


def fault_words(fault: str, table: Table) -> str:
    """Say in words what ``_fault`` of a row means."""
    kind, _, column = fault.partition(":")
    return {
        TOTAL: "the line sums up others and is none itself",
        NO_CUSTOMER: f"{column} is a placeholder and names no customer",
        MANGLED: f"{column} is a number in scientific notation that has lost digits; export the column as text",
    }.get(kind) or f"{column} is no {table.column(column).type}"


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
    conditions = [("where", part.where), ("deleted_when", part.deleted_when)]
    for column, text in [*conditions, *part.columns.items()]:
        if text is None:
            continue
        kind = T.BooleanType() if (column, text) in conditions else spark_type(table.column(column).type)
        try:
            source.select(F.expr(text).try_cast(kind))
        except (AnalysisException, ParseException) as error:
            said = str(error).strip().splitlines()[0]
            raise ConfigError(
                f"tables.{table.name}.{column} over export {part.export}: `{text}` does not work: {said}"
            ) from None


def shown_columns(source: Source, export: str, canonical: dict[str, Table]) -> list[str]:
    """Return the columns of ``export`` that hold no personal data: those that feed only columns that hold none.

    A column that feeds nothing is left out too, since nobody has said what is in it.
    """
    columns = source.exports[export].columns
    personal: set[str] = set()
    harmless: set[str] = set()
    for name, declared in source.tables.items():
        for part in (part for part in declared.parts if part.export == export):
            for column, text in part.columns.items():
                hidden = canonical[name].column(column).personal or column in declared.personal
                (personal if hidden else harmless).update(referenced(text, columns))
    return [name for name in columns if name in harmless - personal]


def _table_faults(declared: SourceTable, table: Table, source: Source) -> Iterator[str]:
    needed = {column.name for column in table.columns if not column.nullable}
    for part in declared.parts:
        if part.export not in source.exports:
            yield f"no export is called {part.export}"
        if unknown := sorted(set(part.columns) - set(table.names)):
            yield f"column(s) {', '.join(unknown)} do not exist; there are {', '.join(table.names)}"
        if part.replaces == "order" and "order_id" not in table.key:
            yield f"replaces: a row of {table.name} has no order; leave it out"
        if part.replaces == "day" and not table.partition:
            yield f"replaces: a row of {table.name} has no day; leave it out"
        if missing := sorted(needed - set(part.columns)):
            yield f"export {part.export} must fill column(s) {', '.join(missing)}"
    if unknown := sorted({*declared.personal, *declared.references} - set(table.names)):
        yield f"column(s) {', '.join(unknown)} do not exist; there are {', '.join(table.names)}"


def missing_columns(raw: DataFrame, export: Export) -> list[str]:
    """Return the columns of the contract, origin included, that a raw table lacks."""
    return [name for name in (*export.columns, *ORIGIN) if name not in raw.columns]


def _with_plain_values(raw: DataFrame) -> DataFrame:
    """Take blank texts and NaN for no value, and widen small numbers."""
    columns = []
    for column_type in raw.schema.fields:
        column = F.col(quote(column_type.name))
        if isinstance(column_type.dataType, T.StringType):
            column = F.when(F.trim(column) != "", column)
        elif type(column_type.dataType) in _WIDER:
            column = column.cast(_WIDER[type(column_type.dataType)])
        if isinstance(column_type.dataType, T.DoubleType | T.FloatType):
            column = F.when(~F.isnan(column), column)
        columns.append(column.alias(column_type.name))
    return raw.select(columns)


def _out(part: Part, reading: Reading) -> Column:
    """Say why a row is none of the table; null where it is one."""
    out = F.lit(None).cast("string")
    if part.where:
        kept = F.coalesce(F.expr(strict_stamps(part.where)), F.lit(False))
        out = F.when(~kept, DELIVERY if reading.implied and not part.deleted_when else DROPPED)
    if part.deleted_when:
        out = F.when(F.expr(strict_stamps(part.deleted_when)), ROW).otherwise(out)
    return out


def _typed(column: DeclaredColumn, raw_type: T.DataType, ids: Ids) -> Column:
    """Return the value of an expression in the type of its canonical column; null where it has none."""
    value, kind = F.col(f"_value_{column.name}"), spark_type(column.type)
    if is_key(column.name):
        return written(F.col(f"_text_{column.name}"), column.name, ids)
    if isinstance(kind, T.StringType):
        return trimmed(value.cast("string")) if column.name in CONTACTS else as_text(value, raw_type)
    if isinstance(raw_type, T.StringType) and isinstance(kind, T.DateType | T.TimestampType):
        value = F.when(is_stamp(value), value)
    if isinstance(kind, T.NumericType):
        value = F.when(~F.col(f"_doubtful_{column.name}"), value)
    return value.try_cast(kind)


def _faults(texts: dict[str, str], table: Table, ids: Ids) -> list[Column]:
    """Return what may be wrong with a row, the first counts."""
    typed = {name: F.col(f"_typed_{name}") for name in texts}
    keys = [name for name in texts if is_key(name)]
    of_row = [name for name in keys if name in (table.key[0], "customer_id")]
    no_key = [typed[name].isNull() for name in of_row if not table.column(name).nullable]
    totals = [is_total(typed[name], ids) for name in of_row]
    totals += [reduce(Column.__or__, no_key) & F.coalesce("_total", F.lit(False))] if no_key else []
    faults = [F.when(condition, TOTAL) for condition in totals]
    if "customer_id" in texts:
        faults.append(F.when(is_no_customer(typed["customer_id"], ids), f"{NO_CUSTOMER}:customer_id"))
    faults += [F.when(is_mangled(typed[name]), f"{MANGLED}:{name}") for name in keys]
    for name in texts:
        value = F.col(f"_value_{name}")
        said = trimmed(value.cast("string")).isNotNull() if name in (*keys, *CONTACTS) else value.isNotNull()
        lost = F.when(value.isNotNull(), said).otherwise(F.col(f"_there_{name}"))
        faults.append(F.when(typed[name].isNull() & lost, f"{CAST}:{name}"))
    return faults


def _may_be_thousands(text: str, names: list[str], doubtful: frozenset[str]) -> Column:
    """Say whether a column that the expression reads has a number whose dot may stand between thousands."""
    columns = [F.col(quote(name)).cast("string") for name in referenced(text, names) if name in doubtful]
    flags = [F.coalesce(column.rlike(_THOUSANDS), F.lit(False)) for column in columns]
    return reduce(Column.__or__, flags, F.lit(False))


def _all_there(text: str, columns: list[str]) -> Column:
    """Say whether every column that ``text`` reads has a value; false where it reads none."""
    declared_none = {name.strip("`").replace("``", "`").lower() for name in _NULLIF.findall(text)}
    conditions = [F.expr(match.group(0)).isNotNull() for match in _NULLIF.finditer(text)]
    read = [name for name in referenced(text, columns) if name.lower() not in declared_none]
    conditions += [F.col(quote(name)).isNotNull() for name in read]
    return reduce(Column.__and__, conditions) if conditions else F.lit(False)
