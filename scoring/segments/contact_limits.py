"""Contact limits within a night: a customer in several files is contacted several times."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pyarrow as pa

from scoring.segments.segment_files import Selection

OTHER_FILES = "contacted enough by other files of the night"


def within_limit(
    selections: dict[str, Selection], recent: pa.Table, recorded: pa.Table, limit: int, per_night: int
) -> dict[str, Selection]:
    """Keep every customer in no more files than the contact limit allows, the first files first.

    Args:
        selections: slug -> selection, in the order of the files.
        recent: ``customer_id`` and ``recent_contacts`` (null: none), those of earlier nights.
        recorded: ``customer_id`` and ``segment`` of the night's contacts that are already on record: they
            stay where they are and count towards the limit.
        limit: contacts in the window of the policy.
        per_night: files of the night that a customer may be in.

    Returns:
        ``selections`` with fewer rows; customers who left a file are counted among its suppressed.
    """
    parts = {slug: selection.rows.select(["customer_id"]).to_pandas() for slug, selection in selections.items()}
    if not parts:
        return selections
    rows = pd.concat(parts, names=["segment", "row"]).reset_index()
    made = pd.MultiIndex.from_frame(recorded.select(["customer_id", "segment"]).to_pandas())
    rows["is_made"] = pd.MultiIndex.from_frame(rows[["customer_id", "segment"]]).isin(made)
    before = recent.to_pandas().set_index("customer_id")["recent_contacts"]
    tonight = recorded["customer_id"].to_pandas().value_counts()
    before = before.add(tonight, fill_value=0)
    place = rows.groupby(["customer_id", "is_made"]).cumcount()
    room = place + rows["customer_id"].map(before).fillna(0) < limit
    room &= place + rows["customer_id"].map(tonight).fillna(0) < per_night
    rows["kept"] = rows["is_made"] | room
    return {slug: _only(one, rows.loc[rows["segment"] == slug, "kept"].tolist()) for slug, one in selections.items()}


def _only(selection: Selection, kept: list[bool]) -> Selection:
    rows = selection.rows.filter(pa.array(kept, pa.bool_()))
    left = selection.rows.num_rows - rows.num_rows
    return replace(selection, rows=rows, suppressed=selection.suppressed | ({OTHER_FILES: left} if left else {}))
