"""What the final screen and the offers of one customer say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from conf.settings.schema import Settings
from jobs import cli
from jobs.database import database
from jobs.lake.lake import Lake
from jobs.publish import publish_scores

DAY = date(2017, 12, 3)


def test_the_final_screen(settings: Settings, night: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["show", "--ds", "2017-12-03"]) == 0
    shown = capsys.readouterr().out
    for words in (
        "40 customers scored, 200 offers (20 coupons), 32 customers may be contacted",
        f"SQLite {settings.home}/nbo.db",
        f"{settings.home}/outbox/2017-12-03/",
        f"{settings.home}/reports/2017-12-03/index.html",
        f"{settings.home}/data_docs/2017-12-03/index.html",
        f"sqlite:///{settings.home}/mlflow.db",
        "is worse than its",
        "replay: no lift is claimed",
        "hit_rate@5",
        "0.857",
    ):
        assert words in shown, words
    assert shown.count("Customer c") == 5
    assert shown.count("Bought 4 times") + shown.count("Customers who buy alike") == 25
    tables = [line for line in shown.splitlines() if settings.home not in line]
    assert max(len(line.rstrip()) for line in tables) <= 100


def test_one_customers_offers(settings: Settings, night: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    publish_scores.run(settings, DAY)
    assert cli.main(["offers", "c0004"]) == 0
    shown = capsys.readouterr().out
    assert "Customer c0004 on the night 2017-12-03: Bargain hunters" in shown
    assert "may be contacted" in shown
    assert [line.split()[0] for line in shown.splitlines() if line.strip()[:1].isdigit()] == list("12345")


@pytest.mark.parametrize(
    ("customer", "words"),
    [("c0009", "in the control group, never contacted"), ("c0005", "may not be contacted: no_consent")],
)
def test_who_may_not_be_contacted_is_said(
    settings: Settings, night: Lake, capsys: pytest.CaptureFixture[str], customer: str, words: str
) -> None:
    publish_scores.run(settings, DAY)
    assert cli.main(["offers", customer, "--ds", "2017-12-03"]) == 0
    assert words in capsys.readouterr().out


def test_an_unknown_customer_is_a_wrong_command(
    settings: Settings, night: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    publish_scores.run(settings, DAY)
    assert cli.main(["offers", "c'; drop table next_best_offer; --"]) == 2
    assert "there is no customer" in caplog.text
    assert database.count(settings.database, "next_best_offer") == 200


def test_a_night_that_was_never_published_is_said_to_be_that(
    settings: Settings, night: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    publish_scores.run(settings, DAY)
    assert cli.main(["offers", "c0004", "--ds", "2017-11-01"]) == 3
    assert "the night 2017-11-01 is not published; the newest that is: 2017-12-03" in caplog.text


def test_before_the_first_night(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    assert cli.main(["offers", "c0001"]) == 3
    assert "holds no night" in caplog.text
    assert cli.main(["show", "--ds", "2017-12-03"]) == 3


def test_the_newest_night_is_shown_by_default(
    settings: Settings, make_night: Callable[..., Lake], capsys: pytest.CaptureFixture[str]
) -> None:
    for day in (DAY, DAY - timedelta(days=1)):
        make_night(day)
        publish_scores.run(settings, day)
    cli.main(["offers", "c0001"])
    assert "on the night 2017-12-03" in capsys.readouterr().out
    cli.main(["offers", "c0001", "--ds", "2017-12-02"])
    assert "on the night 2017-12-02" in capsys.readouterr().out


def test_a_title_cannot_style_the_terminal(settings: Settings, night: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    publish_scores.run(settings, DAY)
    with database.connect(settings.database) as connection:
        connection.execute(sa.text("update next_best_offer set offer_title = '[red]x[/red] [/]'"))
        connection.commit()
    assert cli.main(["offers", "c0001"]) == 0
    assert "[red]x[/red] [/]" in capsys.readouterr().out
