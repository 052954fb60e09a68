"""What became of every row that came, and of its money: counts close in each night's facts and quality table.

rows before + rows that came = rows after + merged + quarantined + left out + withdrawing + erased. ``merged`` are rows
that agree with another, that a newer one replaces, or that are withdrawn.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from conf.tables.canonical import ORDER_LINES
from features.canonical.mapping import DROPPED, ERASED, WITHDRAWING
from jobs.lake.lake import Lake
from jobs.lake.manifest import File
from jobs.validate.measure_tables import engine_of
from jobs.validate.stage_rows import Staged


@dataclass(frozen=True)
class Account:
    """Rows of one table, and the same of its money (of order lines; what cannot be read counts as none).

    ``left_out``: by ``where``; ``withdrawing``: rows that take others back, by ``deleted_when`` or, since a later
    state no longer meets ``where``, by themselves. ``erased``: of customers who were erased.
    """

    before: int
    came: int
    merged: int
    quarantined: int
    left_out: int
    withdrawing: int
    erased: int
    after: int
    money: dict[str, str]

    def facts(self) -> dict[str, Any]:
        """Return the account as the manifest holds it."""
        return asdict(self)

    def words(self) -> str:
        """Say in a sentence what became of the rows."""
        said = (
            f"{self.before:,} rows before, {self.came:,} came: {self.merged:,} merged, {self.quarantined:,} "
            f"quarantined, {self.left_out:,} left out, {self.withdrawing:,} withdrawing, "
            f"{f'{self.erased:,} of erased customers, ' if self.erased else ''}{self.after:,} after"
        )
        if not self.money:
            return said
        return f"{said}; money: {', '.join(f'{money} {what}' for what, money in self.money.items())}"


def account(lake: Lake, staged: Staged, before: tuple[File, ...], after: tuple[File, ...]) -> Account:
    """Account for the rows of one table.

    Args:
        lake: where they are.
        staged: the night's rows, checked.
        before: files of the clean table as the night before left it.
        after: the same of this night.
    """
    held, now = (sum(file.rows for file in files) for files in (before, after))
    out = staged.out
    return Account(
        before=held,
        came=staged.rows + sum(out.values()) + staged.malformed,
        merged=held + staged.rows - len(staged.rejected) - now,
        quarantined=len(staged.rejected) + staged.malformed,
        left_out=out.get(DROPPED, 0),
        withdrawing=sum(out.get(mark, 0) for mark in WITHDRAWING),
        erased=out.get(ERASED, 0),
        after=now,
        money=_money(lake, staged, before, after) if staged.table.name == ORDER_LINES.name else {},
    )


def _money(lake: Lake, staged: Staged, before: tuple[File, ...], after: tuple[File, ...]) -> dict[str, str]:
    def total(files: tuple[File, ...]) -> Decimal:
        if not files:
            return Decimal(0)
        with engine_of(lake, staged) as engine:
            engine.register("clean", lake.arrow_files(files))
            return Decimal(engine.execute("select coalesce(sum(amount), 0) from clean").fetchall()[0][0])

    with engine_of(lake, staged) as engine:
        query = """
            select coalesce(sum(amount) filter (where _out is null), 0),
                   coalesce(sum(amount) filter (where _out = 'dropped'), 0),
                   coalesce(sum(amount) filter (where _out in ('delivery', 'row')), 0),
                   coalesce(sum(amount) filter (where _out = 'erased'), 0),
                   (select coalesce(sum(amount), 0) from accepted)
            from mapped"""
        live, left_out, withdrawing, erased, accepted = (Decimal(cell) for cell in engine.execute(query).fetchall()[0])
    held, now = total(before), total(after)
    sums = {
        "before": held,
        "came": live + left_out + withdrawing + erased,
        "merged": held + accepted - now,
        "quarantined": live - accepted,
        "left out": left_out,
        "withdrawing": withdrawing,
        "after": now,
    } | ({"erased": erased} if erased else {})
    return {what: f"{money:.2f}" for what, money in sums.items()}
