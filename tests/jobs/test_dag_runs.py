"""Which night a run means, in whatever zone the shop is, and what an alert holds."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from jobs.child import StageFailed
from jobs.dag_runs import alert_failure, night_of
from jobs.installation import Installation


def place(zone: str = "America/New_York", exports: Path = Path("nowhere")) -> Installation:
    return Installation("shop", zone, date(2017, 1, 1), exports, time(4), "0 10 * * mon", "0 13 1 * *")


def context(run_type: str = "manual", at: str = "2017-12-05T03:00", **values: Any) -> dict[str, Any]:
    run = SimpleNamespace(run_type=run_type, run_after=datetime.fromisoformat(at).replace(tzinfo=UTC))
    return {"params": {"run_date": values.pop("run_date", None)}, "dag_run": run, **values}


def test_the_parameter_wins() -> None:
    asked = context(run_date="2017-12-03", logical_date=datetime(2017, 1, 1, tzinfo=UTC), partition_key="2017-11-30")
    assert night_of(asked, place()) == "2017-12-03"


def test_a_wrong_parameter_is_refused() -> None:
    with pytest.raises(ValueError, match="Invalid isoformat"):
        night_of(context(run_date="{{ ds }}"), place())


def test_a_day_that_is_not_over_in_the_shop_is_refused() -> None:
    # 03:00 UTC on the 5th is 22:00 on the 4th in New York and 16:00 on the 5th in Auckland
    with pytest.raises(ValueError, match="2017-12-04 is not over in America/New_York; the newest that is: 2017-12-03"):
        night_of(context(run_date="2017-12-04"), place())
    assert night_of(context(run_date="2017-12-04"), place("Pacific/Auckland")) == "2017-12-04"


ZONES = ("Pacific/Auckland", "Asia/Tokyo", "Asia/Kolkata", "Europe/Moscow", "Europe/Berlin", "UTC",
         "America/Sao_Paulo", "America/New_York", "America/Santiago", "Pacific/Honolulu")  # fmt: skip
#: both sides of the changes of clocks of 2025, in the south and in the north
DAYS = ("2025-03-08", "2025-03-09", "2025-03-30", "2025-04-05", "2025-04-06", "2025-09-07", "2025-09-28", "2025-10-26",
        "2025-11-02", "2025-11-15", "2025-12-31")  # fmt: skip


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("hour", [0, 1, 4, 9, 23])
def test_a_schedule_in_the_shops_zone_takes_the_day_before(zone: str, hour: int) -> None:
    for day in DAYS:
        morning = date.fromisoformat(day) + timedelta(days=1)
        run = datetime(morning.year, morning.month, morning.day, hour, 30, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        given = {"logical_date": run - timedelta(days=1), "data_interval_start": run - timedelta(days=1)}
        for kind in ("scheduled", "backfill"):
            assert night_of(context(kind, run.strftime("%Y-%m-%dT%H:%M"), **given), place(zone)) == day


@pytest.mark.parametrize(
    ("zone", "night"),
    [
        ("Pacific/Auckland", "2025-11-15"),  # 22:00 on the 16th there
        ("Asia/Tokyo", "2025-11-15"),
        ("America/New_York", "2025-11-15"),  # 04:00 on the 16th
        ("Pacific/Honolulu", "2025-11-14"),  # 23:00 on the 15th: that day is not over
    ],
)
def test_a_schedule_in_utc_takes_the_last_day_that_is_over_in_the_shop(zone: str, night: str) -> None:
    assert night_of(context("scheduled", "2025-11-16T09:00"), place(zone)) == night


def test_a_partition_is_its_night() -> None:
    asked = context("backfill", partition_key="2017-11-28", logical_date=None)
    assert night_of(asked, place("Pacific/Honolulu")) == "2017-11-28"


def test_a_logical_date_is_a_date_or_a_moment_in_the_shop() -> None:
    typed = context(logical_date=datetime(2017, 12, 3, tzinfo=UTC))
    assert night_of(typed, place()) == "2017-12-03"
    assert night_of(typed, place("Pacific/Auckland")) == "2017-12-03"
    moment = context(logical_date=datetime(2017, 12, 2, 15, tzinfo=UTC))  # 04:00 on the 3rd in Auckland
    assert night_of(moment, place("Pacific/Auckland")) == "2017-12-03"
    assert night_of(moment, place()) == "2017-12-02"


def test_now_as_logical_date_takes_the_last_complete_day() -> None:
    assert night_of(context(logical_date=datetime(2017, 12, 5, 2, 59, tzinfo=UTC)), place()) == "2017-12-03"


def test_a_run_without_dates_takes_the_newest_complete_day_that_has_exports(tmp_path: Path) -> None:
    asked = context("asset_triggered", logical_date=None)
    assert night_of(asked, place()) == "2017-12-03"
    for name in ("2017-11-29", "2017-11-30", "2017-12-04", "notes"):  # the 4th is not over yet
        (tmp_path / name).mkdir()
    assert night_of(asked, place(exports=tmp_path)) == "2017-11-30"


def test_an_alert_is_one_short_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBO_HOME", str(tmp_path))
    task = SimpleNamespace(dag_id="d", run_id="r", task_id="ingest")
    faults = "\n".join(f"orders of day {n} are missing" for n in range(10_320))
    alert_failure({"task_instance": task, "exception": StageFailed("ingest", 3, faults)})
    alert_failure({"task_instance": task, "exception": "short"})
    first, second = (tmp_path / "alerts.log").read_text().splitlines()
    assert len(first) < 2500
    assert first.startswith("d r task ingest failed: stage ingest ended with exit code 3: orders of day 0 are missing")
    assert "characters in all; the task's log has them" in first
    assert second == "d r task ingest failed: short"
    assert (tmp_path / "alerts.log").stat().st_mode & 0o777 == 0o600
