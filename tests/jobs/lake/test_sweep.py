"""The sweep removes what is old and says how much."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from conf.settings.schema import Settings
from jobs import cli
from jobs.lake.lake import Lake
from jobs.stages import Stage


def test_nights_beyond_the_newest_are_removed_but_never_scores(
    settings: Settings, make_night: Callable[..., Lake], capsys: pytest.CaptureFixture[str]
) -> None:
    days = [date(2017, 12, day) for day in range(1, settings.keep_versions + 3)]
    for day in days:
        lake = make_night(day, customers=2)
    assert cli.main(["sweep"]) == 0
    assert f"kept the newest {settings.keep_versions} nights; removed 8 older manifests" in capsys.readouterr().out
    assert lake.days(Stage.FEATURES) == days[2:]
    assert lake.days(Stage.SCORE) == days
