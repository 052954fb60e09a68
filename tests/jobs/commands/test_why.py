"""What `nbo why` answers: what is decided, what is not and what would change that, in titles and not in keys."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from conf.errors import ConfigError
from conf.settings.schema import Settings
from conf.tables.decisions import DECISION_LEDGER, DECISIONS
from conf.tables.types import arrow_schema
from jobs import cli
from jobs.database import database
from jobs.lake.lake import Lake
from jobs.publish import publish_scores

DAY = date(2017, 12, 3)
CUSTOMER = "c0004"


@pytest.fixture
def decided(settings: Settings, night: Lake) -> Settings:
    """A published night in which one offer was decided for a customer, one was displaced and one may not be made."""
    publish_scores.run(settings, DAY)
    shared = {"ds": DAY, "customer_id": CUSTOMER, "decided": False, "chosen_probability": 0.0, "place": 1}
    milk, tea = "type:DAIRY / FLUID MILK", "type:HOT DRINKS / GREEN TEA"
    ledger = [
        {**shared, "action": "reminder", "offer_id": milk, "probability": 0.6, "anyway": 0.1, "value": 0.5,
         "decided": True, "chosen_probability": 1.0},
        {**shared, "action": "cross_sell", "offer_id": tea, "probability": 0.2, "anyway": 0.0, "value": 0.25,
         "displaced_by": "reminder", "missing_value": 0.3},
        {**shared, "action": "win_back", "gate": "not for this customer"},
    ]  # fmt: skip
    decisions = [
        {"ds": DAY, "customer_id": CUSTOMER, "position": 1, "action": "reminder", "offer_id": milk, "value": 0.5,
         "reason": "it adds most"},
    ]  # fmt: skip
    tables = {
        "decision_ledger": pa.Table.from_pylist(ledger, schema=arrow_schema(DECISION_LEDGER)),
        "decisions": pa.Table.from_pylist(decisions, schema=arrow_schema(DECISIONS)),
    }
    database.replace(settings.database, DAY, tables)
    return settings


def words(text: str) -> str:
    """Return a table's cells as running text: broken lines are joined."""
    return " ".join(text.split())


def test_the_decision_and_all_that_was_considered(decided: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["why", CUSTOMER]) == 0
    shown = capsys.readouterr().out
    assert "2017-12-03: Reminder of what is bought again, Dairy, fluid milk: it adds most" in words(shown)
    assert "type:" not in shown
    assert "Hot drinks, green tea" in words(shown)
    assert "not for this customer" in words(shown)
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 100
    order = [shown.index(text) for text in ("Dairy, fluid milk", "Hot drinks", "not for this")]
    assert order == sorted(order)


def test_one_offer_alone(decided: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["why", CUSTOMER, "type:HOT DRINKS / GREEN TEA"]) == 0
    table = capsys.readouterr().out.split("action", 1)[1]
    assert "Hot drinks" in table
    assert "fluid milk" not in table
    for part in ("20 % buy with it", "instead", "it lacks 0.30 USD"):
        assert part in words(table), part


def test_what_was_not_considered_is_refused(decided: Settings, caplog: pytest.LogCaptureFixture) -> None:
    assert cli.main(["why", CUSTOMER, "caviar"]) == ConfigError.exit_code
    assert "'caviar' was not considered for customer 'c0004'" in caplog.text
