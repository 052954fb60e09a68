"""Runs suites through Great Expectations checkpoints and builds their Data Docs.

What is stored and shown names rules, counts and row ids, never a value of a row: values may be personal. Keys of the
books of needs alone are stored, as what rows that refer to them are held against.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # read on import: nothing is sent out

import great_expectations as gx
import pandas as pd
import pyarrow as pa
import pyarrow.types as pat

from expectations.plain_index import plain_index
from expectations.rules import SEVERITY, Outcome as Outcome, Rule

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: every checked frame numbers its rows in this column
ROW_ID = "_id"
#: row ids have to be asked for here: on the expectation Spark ignores them (fivetran/great_expectations#11647)
RESULT_FORMAT = {
    "result_format": "COMPLETE",
    "unexpected_index_column_names": [ROW_ID],
    "exclude_unexpected_values": True,
    "include_unexpected_rows": False,
    "return_unexpected_index_query": False,
    "partial_unexpected_count": 0,
}


class Checkpoints:
    """The checkpoints of one night in a file context of their own."""

    def __init__(self, context: Path, docs: Path) -> None:
        """Start afresh: what an earlier run left in the two folders is removed.

        Args:
            context: folder of the file context (suites, checkpoints, results).
            docs: folder of the Data Docs.
        """
        for folder in (context, docs):
            shutil.rmtree(folder, ignore_errors=True)
        self.index = docs / "index.html"
        self._checks: dict[str, list[Outcome]] = {}
        self._gx = gx.get_context(mode="file", context_root_dir=context)
        self._gx.variables.progress_bars = {"globally": False}  # type: ignore[assignment]
        for site in self._gx.get_site_names():
            self._gx.delete_data_docs_site(site)
        backend = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.absolute())}
        self._gx.add_data_docs_site(
            "night",
            {
                "class_name": "SiteBuilder",
                "store_backend": backend,
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
                "show_how_to_buttons": False,  # type: ignore[typeddict-unknown-key]
            },
        )

    def check(self, name: str, rules: Sequence[Rule], rows: pd.DataFrame | DataFrame) -> list[Outcome]:
        """Hold every row against ``rules``.

        Args:
            name: of the suite, shown in the Data Docs.
            rules: with names that differ.
            rows: the rules' columns and ``_id``; a pandas frame (see :func:`plain`) is checked by pandas, a
                Spark frame by Spark.

        Returns:
            One outcome for each rule, in the order of ``rules``.
        """
        engine = "pandas" if isinstance(rows, pd.DataFrame) else "spark"
        sources = self._gx.data_sources
        source = sources.add_or_update_pandas(engine) if engine == "pandas" else sources.add_or_update_spark(engine)
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("night")
        suite = self._gx.suites.add(gx.ExpectationSuite(name=name, expectations=[_named(rule) for rule in rules]))
        definition = self._gx.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
        checkpoint = self._gx.checkpoints.add(
            gx.Checkpoint(name=name, validation_definitions=[definition], result_format=RESULT_FORMAT)
        )
        done = checkpoint.run(batch_parameters={"dataframe": rows})
        results = {
            result.expectation_config.meta["rule"]: result  # type: ignore[union-attr]
            for run in done.run_results.values()
            for result in run.results
        }
        self._checks[name] = [_outcome(rule, results[rule.name]) for rule in rules]
        return self._checks[name]

    def build_docs(self) -> Path:
        """Build the Data Docs of all checks so far and return their index page."""
        self._gx.build_data_docs()
        if self.index.exists():
            self.index.replace(self.index.with_name("great_expectations.html"))
        self.index.parent.mkdir(parents=True, exist_ok=True)
        self.index.write_text(plain_index(self._checks, self.index.parent), encoding="utf-8")
        return self.index


def plain(rows: pa.Table) -> pd.DataFrame:
    """Return ``rows`` with the types that Great Expectations compares fast in pandas.

    Decimals become doubles, and days become moments of midnight UTC.
    """
    columns = []
    for column in rows.columns:
        if pat.is_decimal(column.type):
            column = column.cast(pa.float64())
        elif pat.is_date(column.type):
            column = column.cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
        columns.append(column)
    return pa.table(columns, names=rows.column_names).to_pandas()


def _named(rule: Rule) -> Any:
    return rule.expectation.copy(
        update={
            "meta": {"rule": rule.name, "kind": rule.kind},
            "notes": f"{rule.name}: {rule.about}",
            "severity": SEVERITY[rule.kind],
        }
    )


def _outcome(rule: Rule, result: Any) -> Outcome:
    """Read one result; an expectation that could not be evaluated has an exception and no counts."""
    if not result.success and "unexpected_count" not in result.result:
        return Outcome(rule, False, 0, fault=_fault(result.exception_info))
    listed = result.result.get("unexpected_index_list") or [{ROW_ID: []}]
    failed = tuple(sorted(int(row) for row in listed[0][ROW_ID]))
    return Outcome(rule, bool(result.success), int(result.result["element_count"]), failed)


def _fault(info: dict[str, Any]) -> str:
    """Say why an expectation could not be evaluated; a message may quote values, so only some are passed on."""
    details = [value for value in info.values() if isinstance(value, dict)] or [info]
    messages = sorted({str(detail.get("exception_message") or "") for detail in details})
    for message in messages:
        if "does not exist" in message or "must either be None or of the same type" in message:
            return message
    return "it raised an exception; run it by itself on a copy of the rows to see which"
