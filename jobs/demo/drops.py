"""Writes the drop folders of a demonstration CRM, one a day, and the faults real exports have.

The rows of an export and the day each came to be are SQL of ``conf/demo/<source>.yml``; names, columns, formats and
schedules are the source's own contract. Where a row comes again, the later drop holds; then the rows are the data's.
"""

from __future__ import annotations

import importlib.metadata
import logging
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from conf.settings.demo import Correction, Demo, Faults
from conf.settings.exports import Export
from conf.settings.schema import Settings
from jobs.inputs.export_calendar import days, due, listed

log = logging.getLogger(__name__)


class Drops:
    """One layout in the making."""

    def __init__(self, settings: Settings, spec: Demo, data: Path, households: int | None) -> None:
        """Gather the tables of the data in ``data``, of so many households or all."""
        self.source, self.spec = settings.source, spec
        self.folders = [day for day in days(spec.starts, spec.ends) if not listed(self.source.closed_days, day)]
        self.facts: dict[str, Any] = {"files": 0, "folders": len(self.folders), "rows": {}, "faults": {}}
        self.bare = dict.fromkeys(spec.exports, 0)
        self.engine = duckdb.connect()
        self.engine.execute("set timezone = 'UTC'")
        self.engine.execute("set variable households = ?", [households])
        for file in sorted(data.glob("*.parquet")):
            self.engine.execute(f"create view {_name(file.stem)} as select * from read_parquet({_text(file)})")
        for name, query in spec.tables.items():
            self.engine.execute(f"create temp table {_name(name)} as {query}")

    def write(self, root: Path) -> dict[str, Any]:
        """Write all drop folders under ``root`` and return the facts."""
        for name in self.spec.exports:
            self._gather(name)
        started = time.monotonic()
        for day in self.folders:
            (root / day.isoformat()).mkdir(parents=True)
            for name in self.spec.exports:
                self._drop(root, name, day)
            if day == self.folders[-1] or (day.month != self.folders[self.folders.index(day) + 1].month):
                log.info("demo: laid out %s (%.0f s)", f"{day:%B %Y}", time.monotonic() - started)
        for name, count in self.bare.items():
            if count:
                log.warning("%s: %d file(s) without a row, which ingest refuses; take more households", name, count)
        (root / "README.md").write_text(self._readme(), encoding="utf-8")
        self.engine.close()
        return self.facts

    def _gather(self, name: str) -> None:
        """Make the table of an export's rows, each with the day of its drop, ``_drop``."""
        export, faults = self.source.exports[name], self.spec.faults.get(name, Faults())
        calendar = [day for day in self.folders if not listed(export.skipped_days, day)]
        self.engine.execute("create or replace temp table calendar (n integer, day date)")
        self.engine.executemany("insert into calendar values (?, ?)", list(enumerate(calendar)))
        columns = ", ".join(_name(column) for column in export.columns)
        late = _share(f"'late' || ({faults.late.group})::varchar", faults.late.share) if faults.late else "false"
        one_or_two = f"1 + md5_number_lower('lag' || ({faults.late.group})::varchar) % 2" if faults.late else "0"
        self.engine.execute(f"""
            create or replace temp table rows_{name} as
            select {columns}, _day, if(l.day is null, false, _late) as _late, coalesce(l.day, _due) as _drop
            from (select q.*, c.day as _due, {late} as _late, c.n + if({late}, {one_or_two}, 0) as _n
                  from (select {columns}, _day::date as _day from ({self.spec.exports[name].query})) q
                  asof join calendar c on q._day <= c.day) r
            left join calendar l on r._late and r._n = l.n
            order by _drop""")
        for correction in faults.corrections:
            self._spoil(name, export, correction)
        rows = f"md5_number_lower(concat_ws('|', 'twice', {columns}))"
        self.engine.execute(f"""
            insert into rows_{name} select * from rows_{name} where {rows} % 100000 < {faults.duplicates * 100_000}""")
        twice = self.engine.execute(f"select count(*) - count(distinct ({columns})) from rows_{name}").fetchone()
        self._count(name, faults, twice[0] if twice else 0)

    def _spoil(self, name: str, export: Export, correction: Correction) -> None:
        """Keep a day's true rows aside and put wrong values into those that its own drop exports."""
        kept, day = f"true_{name}_{correction.day:%Y%m%d}", f"date '{correction.day}'"
        self.engine.execute(f"create temp table {kept} as select * from rows_{name} where _day = {day}")
        columns = ", ".join(_name(column) for column in export.columns)
        wrong = ", ".join(f"{_name(column)} = {value}" for column, value in correction.wrong.items())
        spoilt = _share(f"concat_ws('|', 'wrong', {columns})", correction.share)
        self.engine.execute(f"update rows_{name} set {wrong} where _drop = {day} and _day = {day} and {spoilt}")

    def _count(self, name: str, faults: Faults, twice: int) -> None:
        count = self.engine.execute(f"select count(*) from rows_{name}").fetchone()
        self.facts["rows"][name] = count[0] if count else 0
        counts: dict[str, Any] = {}
        if faults.late:
            row = self.engine.execute(
                f"select count(distinct ({faults.late.group})), count(*) from rows_{name} where _late"
            ).fetchone()
            counts |= {"late_groups": row[0], "late_rows": row[1]} if row else {}
        if faults.duplicates:
            counts["duplicate_rows"] = twice
        if faults.corrections:
            counts["corrected"] = {str(c.day): str(c.again_on) for c in faults.corrections}
        if self.source.exports[name].skipped_days:
            counts["skipped"] = self.source.exports[name].skipped_days
        if counts:
            self.facts["faults"][name] = counts

    def _drop(self, root: Path, name: str, day: date) -> None:
        """Write the files of one export that belong into the drop of ``day``."""
        export, spec = self.source.exports[name], self.spec.exports[name]
        path = export.pattern(day)
        promised = due(export, self.source, day)
        for correction in self.spec.faults.get(name, Faults()).corrections:
            if correction.again_on == day:
                again = path.replace("*", f"_corrected_{correction.day}")
                self._copy(f"true_{name}_{correction.day:%Y%m%d}", "true", export, root / again)
        if spec.snapshot and promised:
            self._copy(f"rows_{name}", f"_drop <= date '{day}'", export, root / path.replace("*", ""))
        elif not spec.snapshot:
            where = f"_drop = date '{day}'"
            row = self.engine.execute(f"select count(*) from rows_{name} where {where}").fetchone()
            rows = row[0] if row else 0
            self.bare[name] += promised and not rows and not export.may_be_empty
            if promised or rows:
                self._copy(f"rows_{name}", where, export, root / path.replace("*", ""))

    def _copy(self, table: str, where: str, export: Export, target: Path) -> None:
        columns = ", ".join(_name(column) for column in export.columns)
        options = {
            "csv": f"format csv, header, delimiter {_text(export.csv.delimiter)}, quote {_text(export.csv.quote)}",
            "jsonl": "format json",
            "parquet": "format parquet, compression zstd",
        }[export.format]
        if target.suffix == ".gz":  # DuckDB writes no time into the header, so equal rows give equal bytes
            options += ", compression gzip"
        self.engine.execute(
            f"copy (select {columns} from {table} where {where} order by all) to {_text(target)} ({options})"
        )
        self.facts["files"] += 1

    def _readme(self) -> str:
        lines = [
            f"# {self.source.title}",
            "",
            f"A demonstration CRM laid out from the Python package `{self.spec.package}` "
            f"{importlib.metadata.version(self.spec.package)}; see there for whose data it is.",
            f"{self.facts['files']:,} files in {self.facts['folders']} drop folders, {self.spec.starts} to "
            f"{self.spec.ends}. Days without a drop: {', '.join(self.source.closed_days) or 'none'}.",
            "",
            "| export | rows | schedule | file |",
            "|---|---|---|---|",
        ]
        for name, rows in self.facts["rows"].items():
            export = self.source.exports[name]
            lines.append(f"| {name} | {rows:,} | {export.schedule} | `{export.path}` |")
        lines += ["", "Made up, because real exports have it and the data has not; the same in every layout:", ""]
        lines += [f"- {name}: {line}" for name, counts in self.facts["faults"].items() for line in _sentences(counts)]
        lines += ["", "Where a row comes again, the later drop holds; then the rows are those of the data set.", ""]
        return "\n".join(lines)


def _sentences(counts: dict[str, Any]) -> Iterator[str]:
    """Say in words what was made up for an export."""
    if "late_groups" in counts:
        yield f"{counts['late_groups']:,} whole groups, {counts['late_rows']:,} rows, arrive one or two drops late."
    if "duplicate_rows" in counts:
        yield f"{counts['duplicate_rows']:,} rows stand twice in their file."
    for first, again in counts.get("corrected", {}).items():
        yield f"{first} has wrong values at first; the drop of {again} brings the whole day again."
    for day in counts.get("skipped", []):
        yield f"no file on {day}; its rows are in the next drop."


def _share(key: str, share: float) -> str:
    """Return an SQL condition that holds for about ``share`` of the values of ``key``, always the same ones."""
    return f"md5_number_lower({key}) % 100000 < {round(share * 100_000)}"


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
