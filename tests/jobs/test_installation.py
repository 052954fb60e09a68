"""What the DAGs take from the settings."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path
from types import SimpleNamespace

import pytest

from conf.settings.schema import Settings
from jobs.dag_runs import night_of
from jobs.installation import SCHEDULE, Installation, installation


def place(zone: str = "America/New_York", exports: Path = Path("nowhere")) -> Installation:
    return Installation("shop", zone, date(2017, 1, 1), exports, time(4), "0 10 * * mon", "0 13 1 * *")


def test_the_zone_of_the_source_and_the_schedule_of_the_installation_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = tmp_path / "conf" / "mine.yml"
    conf.parent.mkdir()
    conf.write_text('home: data\nexports: "{home}/in"\nsource: shop.yml\nschedule: {nightly: "05:30"}\n')
    (conf.parent / "shop.yml").write_text("name: shop\ntimezone: Pacific/Auckland\nhistory_starts: 2024-02-01\n")
    monkeypatch.delenv("NBO_HOME", raising=False)
    monkeypatch.setenv("NBO_CONF", str(conf))
    result = installation()
    assert result == Installation("shop", "Pacific/Auckland", date(2024, 2, 1), tmp_path / "data" / "in", time(5, 30),
                                 SCHEDULE["weekly"], SCHEDULE["monthly"])  # fmt: skip
    # 05:30 on the 4th in Auckland is 16:30 UTC on the 3rd
    assert result.is_due("2025-12-03", datetime(2025, 12, 3, 16, 30, tzinfo=UTC))
    assert not result.is_due("2025-12-03", datetime(2025, 12, 3, 16, 29, tzinfo=UTC))
    scheduled = SimpleNamespace(run_type="scheduled", run_after=datetime(2025, 12, 3, 16, 30, tzinfo=UTC))
    assert night_of({"params": {}, "dag_run": scheduled}) == "2025-12-03"


@pytest.mark.parametrize(
    ("zone", "hours"),
    [("America/New_York", -5), ("Pacific/Auckland", 12), ("America/Santiago", -4), ("Asia/Kolkata", 5.5), ("UTC", 0),
     ("Africa/Casablanca", 0), ("Europe/Dublin", 0)],
)  # fmt: skip
def test_the_clock_without_summer_time(zone: str, hours: float) -> None:
    assert place(zone).standard_offset == hours * 3600


def test_a_source_is_looked_for_where_the_settings_look_for_it(tmp_path: Path) -> None:
    conf = tmp_path / "mine" / "deep" / "nbo.yml"
    conf.parent.mkdir(parents=True)
    conf.write_text("exports: in\nsource: sources/complete_journey.yml\n")
    assert installation(str(conf)).source == "complete_journey"  # the shipped one
    (tmp_path / "mine" / "sources").mkdir()
    source = tmp_path / "mine" / "sources" / "complete_journey.yml"
    source.write_text("name: shop\ntimezone: Asia/Tokyo\nhistory_starts: 2024-02-01\n")
    assert installation(str(conf)).source == "shop"


def test_a_wrong_zone_names_the_file(tmp_path: Path) -> None:
    conf = tmp_path / "nbo.yml"
    conf.write_text("exports: in\nsource: {name: shop, timezone: Europe/Lndon, history_starts: 2024-02-01}\n")
    with pytest.raises(ValueError, match=r"nbo\.yml and its source do not say when DAGs run: .*Europe/Lndon"):
        installation(str(conf))


def test_the_shipped_settings_say_what_the_dags_take(settings: Settings) -> None:
    result = installation()
    assert (result.source, result.timezone) == (settings.source.name, settings.source.timezone)
    assert (str(result.exports), result.history_starts) == (settings.exports, settings.source.history_starts)
    assert {"nightly": f"{result.nightly:%H:%M}", "weekly": result.weekly, "monthly": result.monthly} == (
        settings.schedule.model_dump()
    )
