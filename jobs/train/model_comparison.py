"""The table that compares all models that were held against each other when a model was last considered.

It is made on the gate window, kept with the MLflow run that trained the challenger, and published with every night that
the outcome of that run serves.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from conf.tables.runs import CANDIDATES, CANDIDATES_EACH, MODEL_COMPARISON, RECALL, SHOWN
from conf.tables.types import arrow_schema
from training.evaluation.fitted import Evaluation
from training.models.tracking import Registry

_CURVE: dict[str, pa.DataType] = {
    "name": pa.string(),
    "bin": pa.int32(),
    "rows": pa.int64(),
    "predicted": pa.float64(),
    "observed": pa.float64(),
}
#: name of the table among the files of a run
TABLE = "model_comparison"
CHAMPION_METHOD = "the champion"
#: metrics that the table shows, besides the gate's own
_METRICS = ("hit_rate", "ndcg", "recall", "precision", "map")


def comparison(
    judged: Mapping[str, Evaluation], metric: str, rounds: int, seed: int, recall: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return a row per method, slice and metric with its 95 % bootstrap interval over customers.

    What lists show (:data:`conf.tables.runs.SHOWN`) and the sources' recall come without an interval.

    Args:
        judged: method -> how it did on the gate window.
        metric: of the gate; names the rows of methods that are judged by it alone.
        rounds: resamples.
        seed: of the resampling.
        recall: what each source of candidates brings (:func:`training.evaluation.candidate_recall.source_recall`).
    """
    from training.evaluation.comparison import summary

    frames = {}
    for method, evaluation in judged.items():
        for part, frame in (evaluation.slices or {"all": evaluation.by_customer.to_frame(metric)}).items():
            frames[f"{method}/{part}"] = frame[[name for name in frame if name in (*_METRICS, metric)]]
    rows = summary(frames, rounds, seed).rename(columns={"model": "method"})
    more = [*_shown(judged), *([] if recall is None else _recalled(recall))]
    return pd.concat([rows, pd.DataFrame(more, columns=rows.columns)], ignore_index=True) if more else rows


def _shown(judged: Mapping[str, Evaluation]) -> list[tuple[Any, ...]]:
    """Return what the methods show that rank; an interval's coverage is another figure of that name."""
    return [
        (
            method,
            next(iter(evaluation.slices), "all"),
            name,
            evaluation.metrics[name],
            np.nan,
            np.nan,
            len(evaluation.by_customer),
        )
        for method, evaluation in judged.items()
        if evaluation.metrics.keys() >= set(SHOWN)
        for name in SHOWN
    ]


def _recalled(recall: pd.DataFrame) -> list[tuple[Any, ...]]:
    return [
        (f"{CANDIDATES}{row.source}", row.slice, metric, getattr(row, column), np.nan, np.nan, row.customers)
        for row in recall.itertuples()
        for metric, column in ((RECALL, "recall"), (CANDIDATES_EACH, "candidates"))
        if metric == RECALL or row.slice == "all"
    ]


def curve(judged: Evaluation) -> pd.DataFrame:
    """Return the reliability curve of a model on the gate window (:func:`training.evaluation.metrics.reliability`)."""
    from training.evaluation.metrics import reliability

    return reliability(np.ravel(judged.truth), np.ravel(judged.probability))


def curves(registry: Registry, names: list[str], day: date) -> pa.Table:
    """Return ``name``, ``bin`` (from 1), ``rows``, ``predicted``, ``observed`` of the champions' reliability curves."""
    rows: list[dict[str, Any]] = []
    for name in names:
        champion = registry.champion(name, day)
        frame = registry.table(champion.run_id, curve_of(champion.sha256)) if champion else None
        if frame is not None:
            bins = frame.assign(name=name, bin=range(1, len(frame) + 1)).to_dict("records")
            rows += [{str(key): value for key, value in row.items()} for row in bins]
    return pa.Table.from_pylist(rows, schema=pa.schema(_CURVE))


def curve_of(sha256: str) -> str:
    """Return the name under which a run keeps the curve of a model: it may keep a challenger's and its baseline's."""
    return f"reliability_{sha256[:16]}"


def comparisons(registry: Registry, names: list[str], day: date) -> pa.Table:
    """Return the rows of ``MODEL_COMPARISON``: for each model, what its newest run up to ``day`` compared."""
    rows: list[dict[str, Any]] = []
    for name in names:
        earlier = [version for version in registry.versions(name) if version.trained_through <= day]
        runs = [
            version.run_id
            for version in sorted(earlier, key=lambda version: (version.trained_through, int(version.number)))
        ]
        frame = registry.table(runs[-1], TABLE) if runs else None
        if frame is not None:
            rows += [
                {str(key): None if value != value else value for key, value in row.items()} | {"ds": day, "name": name}
                for row in frame.to_dict("records")
            ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(MODEL_COMPARISON))
