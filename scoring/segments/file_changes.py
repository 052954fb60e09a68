"""What changed in a segment file since the night before: who joined, left and stayed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

JOINED, LEFT, STAYED = "joined", "left", "stayed"


def changes(before: Sequence[Any], today: Sequence[Any]) -> pa.Table:
    """Return ``customer_id`` and ``change`` of everybody in either file.

    The file of the night before, less ``left``, with ``joined``, is today's file.

    Args:
        before: keys of the customers in the file of the night before.
        today: keys of the customers in today's file, in its order.

    Returns:
        Those of today's file in its order, then those who left, by key.
    """
    had = set(before)
    gone = sorted(had - set(today))
    change = [STAYED if who in had else JOINED for who in today] + [LEFT] * len(gone)
    return pa.table({"customer_id": pa.array([*today, *gone], pa.string()), "change": pa.array(change, pa.string())})
