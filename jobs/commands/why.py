"""Answers why a customer is contacted with something, or is not, from the night's published ledger."""

from __future__ import annotations

import argparse
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from conf.errors import ConfigError
from conf.settings.schema import Settings
from jobs.database import database
from scoring.decisions.sentences import sentence


def command(settings: Settings, args: argparse.Namespace) -> int:
    """Run ``nbo why``.

    Raises:
        ConfigError: nothing was considered for the customer, or not that offer.
        DataError: no night is published, or not that one.
    """
    day = database.published_night(settings.database, args.ds)
    who = {"ds": day, "customer_id": args.customer}
    rows = database.rows(settings.database, "decision_ledger", **who)
    if args.offer:
        rows = [row for row in rows if args.offer in (row["offer_id"], row["action"])]
    if not rows:
        what = f"{args.offer!r} was not considered" if args.offer else "nothing was considered"
        raise ConfigError(f"{what} for customer {args.customer!r} on the night {day}; see `nbo offers {args.customer}`")
    console = Console(width=120, highlight=False)
    for decision in database.rows(settings.database, "decisions", **who):
        offer = f" {decision['offer_id']}" if decision["offer_id"] else ""
        console.print(escape(f"{day}: {decision['action']}{offer}: {decision['reason']}"))
    console.print(_table(rows, settings.source.currency))
    return 0


def _table(rows: list[dict[str, Any]], currency: str) -> Table:
    table = Table(box=box.SIMPLE)
    for name in ("action", "offer", "why"):
        table.add_column(name)
    for row in sorted(rows, key=lambda row: (not row["decided"], bool(row["gate"]), -(row["value"] or 0.0))):
        table.add_row(row["action"], escape(row["offer_id"] or ""), escape(sentence(row, currency)))
    return table
