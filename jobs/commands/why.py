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
from scoring.offers.arbitration import TYPE_PREFIX
from scoring.offers.titles import readable, sentence as capitalised


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
    console = Console(width=100, highlight=False)
    titles = _Titles(settings, database.rows(settings.database, "next_best_offer", **who))
    for decision in database.rows(settings.database, "decisions", **who):
        console.print(escape(f"{day}: {titles.of(decision)}: {decision['reason']}"))
    console.print(_table(rows, settings.source.currency, titles))
    return 0


class _Titles:
    """Titles that a person reads, of actions and of the offers they carry."""

    def __init__(self, settings: Settings, listed: list[dict[str, Any]]) -> None:
        self._words = settings.offers.title_words
        self._actions = {action.name: action.title for action in settings.decisions.actions}
        self._offers = {row["offer_id"]: row["offer_title"] for row in listed}

    def action(self, name: str) -> str:
        return self._actions.get(name, capitalised(name))

    def offer(self, row: dict[str, Any]) -> str:
        """Return the offer's title as the customer's list has it, else its product type's name, else its key."""
        offer = row["offer_id"] or ""
        if offer in self._offers:
            return self._offers[offer]
        if offer.startswith(TYPE_PREFIX):
            return capitalised(readable(offer.removeprefix(TYPE_PREFIX), self._words))
        return offer

    def of(self, row: dict[str, Any]) -> str:
        action = self.action(row["action"])
        return f"{action}, {self.offer(row)}" if row["offer_id"] else action


def _table(rows: list[dict[str, Any]], currency: str, titles: _Titles) -> Table:
    table = Table(box=box.SIMPLE)
    for name, width in (("action", 22), ("offer", 28), ("why", 40)):
        table.add_column(name, max_width=width)
    for row in sorted(rows, key=lambda row: (not row["decided"], bool(row["gate"]), -(row["value"] or 0.0))):
        rival = row["displaced_by"] and f'"{titles.action(row["displaced_by"])}"'
        said = sentence(row | {"displaced_by": rival}, currency)
        table.add_row(escape(titles.action(row["action"])), escape(titles.offer(row)), escape(said))
    return table
