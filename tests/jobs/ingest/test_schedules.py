"""When a file must be there, how its day stands in its name, and one file that grows."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from conf.errors import DataError
from jobs.inputs.export_calendar import days, due

MONDAY = date(2026, 3, 2)


def test_a_day_may_stand_in_a_name_in_any_form(shop: Callable[..., Any]) -> None:
    crm = shop(
        {
            "orders": {"path": "orders_{date:%Y%m%d}.csv", "columns": ["id"]},
            "people": {"path": "{date:%Y}/{date:%m}/people-{date:%d.%m.%y}*.csv", "columns": ["id"]},
        }
    )
    crm.put("orders_20260302.csv", "id\n1\n")
    crm.put("orders_20260303.csv", "id\n2\n")
    crm.put("2026/03/people-02.03.26-a.csv", "id\n3\n")
    crm.put("2026/03/people-03.03.26.csv", "id\n4\n")
    assert crm.night() == [{"id": "1"}]
    assert crm.night(1) == [{"id": "2"}]
    assert crm.night(1, "people") == [{"id": "4"}]


def test_a_file_without_a_day_is_read_whole_every_night(
    shop: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    crm = shop({"orders": {"path": "orders.csv", "columns": ["id"]}})
    crm.put("orders.csv", "id\n1\n")
    assert crm.night() == [{"id": "1"}]
    crm.put("orders.csv", "id\n1\n2\n")
    assert crm.night(3) == [{"id": "1"}, {"id": "2"}]
    with caplog.at_level(logging.WARNING):
        crm.night(4)
    assert "has the same content as the file of 2026-03-05" in caplog.text


def test_a_file_without_a_day_that_is_missing_stops_the_night(shop: Callable[..., Any]) -> None:
    crm = shop({"orders": {"path": "orders.csv", "columns": ["id"]}})
    with pytest.raises(DataError, match=r"orders\.csv: there is no such file, and orders is due"):
        crm.night(3)


def test_no_file_is_due_on_closed_weekdays(shop: Callable[..., Any]) -> None:
    crm = shop(
        {
            "orders": {"path": "{date}/o.csv", "columns": ["id"]},
            "stock": {"path": "{date}/s.csv", "columns": ["id"], "closed_weekdays": ["mon"]},
        },
        closed_weekdays=["sat", "sun"],
        closed_days=["03-04"],
    )
    source = crm.settings.source
    week = [MONDAY + timedelta(days=number) for number in range(7)]
    assert [due(source.exports["orders"], source, day) for day in week] == [1, 1, 0, 1, 1, 0, 0]
    assert [due(source.exports["stock"], source, day) for day in week] == [0, 1, 0, 1, 1, 0, 0]
    assert list(days(MONDAY, MONDAY)) == [MONDAY]
