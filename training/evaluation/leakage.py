"""Which days the rows of a training are of: no label of what is learnt from may reach into what is judged.

Days are read from the rows' own column ``as_of``, so that a set that was built or read for a wrong day is found, not
the plan that was made for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class LabelDays:
    """Rows of one purpose: their earliest ``as_of``, and how many rows have labels that end on a day (index)."""

    first: pd.Timestamp | None
    ends: pd.Series


def part(rows: pd.DataFrame, days: int | pd.Series) -> LabelDays:
    """Read the days of some rows.

    Args:
        rows: with ``as_of``.
        days: days after ``as_of`` that the labels look at, of all rows, or by row.
    """
    as_of, back = pd.factorize(rows["as_of"])
    starts = pd.to_datetime(pd.Series(back)).to_numpy("datetime64[D]")
    ends = starts[as_of] + np.asarray(days).astype("timedelta64[D]")
    return LabelDays(pd.Timestamp(starts.min()) if len(starts) else None, pd.Series(ends).value_counts())


@dataclass(frozen=True)
class SplitDays:
    """What contenders learnt from, chose by and are judged on.

    Attributes:
        train: rows of the first fit.
        gate: rows that are judged.
        validation: rows that settle epochs, kind and calibration; None where none lie apart.
        refit: rows of a last fit, which may lie in the validation window and reach into it.
        shared: of labels without a horizon, which are split by customers and not by time: customers who are on both
            sides; days are not compared then.
    """

    train: LabelDays
    gate: LabelDays
    validation: LabelDays | None = None
    refit: LabelDays | None = None
    shared: int | None = None


def split(
    train: pd.DataFrame,
    gate: pd.DataFrame,
    days: int | pd.Series,
    validation: pd.DataFrame | None = None,
    refit: pd.DataFrame | None = None,
    by_customer: bool = False,
) -> SplitDays:
    """Read the days of all parts.

    Args:
        train: rows of the first fit.
        gate: rows that are judged.
        days: days of a label.
        validation: rows that choose.
        refit: rows of a last fit.
        by_customer: the label has no horizon, and different customers are judged.
    """
    shared = None
    if by_customer:
        learnt = pd.concat([train, validation])["customer_id"] if validation is not None else train["customer_id"]
        shared = int(gate["customer_id"].isin(learnt.unique()).sum())
    chose, last = (None if rows is None else part(rows, days) for rows in (validation, refit))
    return SplitDays(part(train, days), part(gate, days), chose, last, shared)


def leaks(split: SplitDays | None, night: date) -> list[str]:
    """Return which labels reach into what they must not: of training into validation and gate, of all beyond the night.

    Args:
        split: of the contenders; None: the days of their rows are not known, which is a fault.
        night: last day whose data may be seen.
    """
    if split is None:
        return ["it does not tell of which days its rows are"]
    if split.shared is not None:
        return [f"{split.shared} judged customer(s) were learnt from"] if split.shared else []
    gate, choice = split.gate.first, split.validation.first if split.validation else None
    bounds = (
        ("training", split.train, choice, "the validation window begins"),
        ("training", split.train, gate, "the gate window begins"),
        ("validation", split.validation, gate, "the gate window begins"),
        ("last fit's", split.refit, gate, "the gate window begins"),
        ("gate", split.gate, pd.Timestamp(night), "the night is"),
    )
    reasons = []
    for name, rows, bound, what in bounds:
        if rows is None or bound is None:
            continue
        late = int(rows.ends[rows.ends.index > bound].sum())
        if late:
            reasons.append(f"the labels of {late} {name} row(s) end after {bound.date()}, when {what}")
    return reasons


def leaking_sets(names: set[str], leaking: Mapping[str, Sequence[str]], day: date) -> list[str]:
    """Return a fault for every set whose inputs differ when nothing after ``day`` is known.

    Args:
        names: sets that the model reads.
        leaking: set -> its inputs that differ.
        day: ``as_of`` of the window that was built both ways.
    """
    return [
        f"inputs of set {name} change when nothing after {day} is known: {', '.join(leaking[name])}"
        for name in sorted(names)
        if leaking.get(name)
    ]
