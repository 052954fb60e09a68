"""The nightly page: every section, no network, nothing that runs, and what models may claim."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pytest

from conf.errors import DataError
from conf.settings.schema import Settings
from conf.settings.source import Consent
from jobs.database import database
from jobs.lake.lake import Lake
from jobs.publish import publish_scores
from jobs.report import plots, write_report
from jobs.report.customer_figures import _round_step, churn, named, recency, spend, survival, value
from jobs.report.model_figures import verdict as verdict_of
from jobs.report.night_figures import totals
from jobs.report.night_tables import NightTables
from jobs.report.offer_figures import examples, offers
from jobs.report.write_report import _precision_curves
from jobs.segments import write_segments
from jobs.stages import Stage

DAY = date(2017, 12, 3)
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects text, links and images, and checks that elements close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text, self.sources, self.links = "", [], []  # type: ignore[var-annotated]
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.sources += [given["src"]] if "src" in given else []
        self.links += [given["href"]] if "href" in given else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open[-1] in ("li", "p", "td", "tr", "th") and self.open[-1] != tag:
            self.open.pop()
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the pictures out where only the rest of the page matters: they take two thirds of the time."""
    names = (
        "quarantined",
        "recency",
        "spend",
        "segments",
        "segment_map",
        "look_alikes",
        "precision",
        "models",
        "kinds",
        "sources",
        "outcomes",
        "seconds",
    )
    monkeypatch.setattr(write_report, "_plots", lambda night, figures: dict.fromkeys([*names, "memory"], ""))


def page(settings: Settings, day: date = DAY) -> Page:
    write_report.run(settings, day)
    folder = Path(settings.home, "reports", str(day))
    return Page("".join((folder / name).read_text(encoding="utf-8") for name in write_report.PAGES))


def test_the_page_has_every_section_and_figure(settings: Settings, night: Lake) -> None:
    publish_scores.run(settings, DAY)
    write_segments.run(settings, DAY)
    text = re.sub(r"\s+", " ", page(settings).text)
    for words in (
        "Whom to contact", "What to offer", "What it is worth", "What changed", "What earlier offers brought",
        "This is the first night", "Value of offered coupons: 39 USD against 40 USD expected: less",
        "Data quality", "Customers", "Segments", "Models against their baselines", "Offers",
        "What earlier nights' offers brought", "Assumptions", "Run times and memory", "Files",
        "32 of 40 may be contacted; 4 are in the control group", "200 offers, 20 of them coupons",
        "Rows of the exports that were rejected: 3",
        "0.871", "0.857", "0.796", "replay: no lift is claimed",
        "is worse than its baseline", "refused: does not beat the baseline", "beats its baseline",
        "Buys often on weekends", "the data set has no consent records", "25% of the spend on product types",
        "held back: contact_limit", "Look-alikes that were not made", "Churn and value: 4 segments",
        "buys pet food or litter", "skipped: it has no model yet", "What goes with it", "held", "did not hold",
        "last basket more than 20 days ago", "<b>no basket</b> in", "95.0% of resamples ask first about: last basket",
        "personal frequency38.50061.3%––", "offer rankertrees (challenger)27.7%1.250––",
        "offer ranker: 0 of the customers who buy in the held-out window had fewer than two baskets before",
        "were expected to bring", "value, USD40.2538.640.9600.950 to 0.970less1,997",
        "What campaigns change", "nothing is claimed: there is no randomised treatment", "1,133 / 2,450",
    ):  # fmt: skip
        assert words in text, words


def test_the_page_needs_no_network_and_runs_nothing(settings: Settings, night: Lake) -> None:
    write_segments.run(settings, DAY)
    result = page(settings)
    assert result.sources
    assert all(source.startswith("data:image/svg+xml;base64,") for source in result.sources)
    assert not [link for link in result.links if link.startswith(("http", "//", "/"))]
    html = Path(settings.home, "reports", "latest", "index.html").read_text()
    assert "<script" not in html
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    assert "default-src 'none'" in html


def test_links_lead_to_the_nights_files(settings: Settings, night: Lake, no_plots: None) -> None:
    write_segments.run(settings, DAY)
    links = [link for link in page(settings).links if not link.startswith("#")]
    assert "../../outbox/2017-12-03/segment_new_and_cold_2017-12-03.csv" in links
    folder = Path(settings.home, "reports", str(DAY))
    assert all((folder / link).exists() for link in links)


def test_no_customers_key_is_on_the_page(settings: Settings, night: Lake, no_plots: None) -> None:
    assert not re.search(r"\bc00\d\d\b", page(settings).text)


def test_text_from_the_data_cannot_become_markup(settings: Settings, night: Lake, no_plots: None) -> None:
    profiles = night.arrow("features/segment_profiles", DAY)
    evil = pa.array(["<img src=http://evil.example>"] * profiles.num_rows)
    with night.draft(Stage.FEATURES, DAY) as draft:
        at = profiles.schema.names.index("segment_name")
        draft.arrow("features/segment_profiles", profiles.set_column(at, "segment_name", evil))
        draft.commit(night.need(Stage.FEATURES, DAY))
    result = page(settings)
    assert "<img src=http://evil.example>" in result.text
    assert not [source for source in result.sources if "evil" in source]


def test_outcomes_reach_the_database_with_the_report(settings: Settings, night: Lake, no_plots: None) -> None:
    publish_scores.run(settings, DAY)
    write_report.run(settings, DAY)
    assert database.count(settings.database, "offer_outcomes", ds=DAY) == 16
    publish_scores.run(settings, DAY, force=True)
    assert database.count(settings.database, "offer_outcomes", ds=DAY) == 16


def test_the_report_is_written_again_only_when_something_changed(
    settings: Settings, night: Lake, no_plots: None
) -> None:
    publish_scores.run(settings, DAY)
    first = write_report.run(settings, DAY)
    assert write_report.run(settings, DAY).version == first.version
    (Path(settings.home) / "reports" / "2017-12-03" / "index.html").unlink()
    second = write_report.run(settings, DAY)
    assert second.version != first.version
    with database.connect(settings.database) as connection:
        connection.exec_driver_sql("delete from offer_outcomes")
        connection.commit()
    assert write_report.run(settings, DAY).version != second.version


def test_equal_nights_give_equal_pages(settings: Settings, night: Lake) -> None:
    one, two = (write_report.render(settings, NightTables(settings, night, DAY)) for _ in range(2))
    assert one == two


def test_a_night_without_outcomes_models_and_segments_has_a_page(
    settings: Settings, make_night: Callable[..., Lake]
) -> None:
    lake = make_night()
    for stage, table, name in (
        (Stage.MEASURE, "outcomes/offer_outcomes", "offer_outcomes"),
        (Stage.TRAIN, "models/model_versions", "model_versions"),
    ):
        rows = lake.arrow(table, DAY).slice(0, 0)
        with lake.draft(stage, DAY) as draft:
            draft.arrow(table, rows)
            draft.commit(lake.need(stage, DAY))
        assert name
    text = page(settings).text
    assert "No published night lies 28 days back" in text
    assert "No model is pinned" in text


def test_recorded_consent_is_told_apart(settings: Settings) -> None:
    recorded = settings.source.model_copy(update={"consent": Consent(recorded=True)})
    assert "Consent comes from the source; silence means refused." in write_report.assumptions(
        settings.model_copy(update={"source": recorded})
    )


def test_a_night_without_scores_is_refused(settings: Settings) -> None:
    with pytest.raises(DataError, match="has no published score"):
        write_report.run(settings, DAY)


# --- figures, against hand counts of the fixture


def test_figures_of_the_night(settings: Settings, night: Lake) -> None:
    figures = NightTables(settings, night, DAY)
    assert totals(figures) == {
        "customers": 40, "cold": 5, "control": 4, "contactable": 32, "blocked": 4,
        "offers": 200, "coupons": 20, "discoveries": 40, "order_lines": 2, "quarantined": 3,
    }  # fmt: skip
    assert sum(size for _, size in recency(figures)) == 40
    assert dict(recency(figures))["never"] == 5
    assert sum(size for _, size in spend(figures)) == 40
    assert [(row["band"], row["customers"]) for row in churn(figures)] == [
        ("high", 4), ("middle", 7), ("low", 24), ("not scored", 5),
    ]  # fmt: skip
    assert [(row["value_class"], row["customers"]) for row in value(figures)] == [(c, 10) for c in "ABCD"]
    stays = survival(figures)
    assert (stays["customers"], stays["soon"], stays["four"]) == (35, 35, pytest.approx(2 * stays["twelve"]))
    assert named(figures) == []  # the fixture's models tell no such figures
    assert dict(offers(figures)["by_kind"]) == {"product_type": 180, "coupon": 20}
    shown = examples(figures)
    assert [who["what"] for who in shown] == ["with a coupon"] * 2 + ["regular"] * 2 + ["cold"]
    assert all([offer["rank"] for offer in who["offers"]] == [1, 2, 3, 4, 5] for who in shown)


@pytest.mark.parametrize(
    ("standing", "low", "high", "verdict"),
    [
        ("champion", 0.01, 0.02, "beats its baseline"),
        ("challenger", 0.0, 0.02, "does not beat its baseline"),
        ("challenger", -0.01, 0.02, "does not beat its baseline"),
        ("challenger", -0.02, -0.01, "is worse than its baseline"),
        ("challenger", None, None, "not compared"),
        ("champion", float("nan"), float("nan"), "a baseline serves"),
    ],
)
def test_an_interval_that_touches_zero_claims_nothing(
    standing: str, low: float | None, high: float | None, verdict: str
) -> None:
    assert verdict_of({"standing": standing, "low": low, "high": high}) == verdict


@pytest.mark.parametrize(("raw", "step"), [(0, 1), (0.7, 1), (1, 1), (1.2, 2), (43, 50), (51, 100), (0.03, 0.05)])
def test_steps_are_round(raw: float, step: float) -> None:
    assert _round_step(raw) == pytest.approx(step)


def test_a_plot_says_in_words_what_it_shows() -> None:
    picture = plots.bars([('a "b" <c>', 3.0)], "Rows")
    assert picture.startswith('<img alt="Rows: a &quot;b&quot; &lt;c> 3" src="data:image/svg+xml;base64,')


def test_latest_is_the_newest_report(settings: Settings, make_night: Callable[..., Lake], no_plots: None) -> None:
    for day in (DAY, DAY - timedelta(days=1)):
        make_night(day)
        write_report.run(settings, day)
    assert str(Path(settings.home, "reports", "latest").readlink()) == "2017-12-03"


def test_architectures_that_were_compared_are_shown(
    settings: Settings, night: Lake, no_plots: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = {"discovery_gain": None, "discovery_gain_low": None, "discovery_gain_high": None}
    row = {"architecture": "64 units", "ndcg_all": 0.601, "gain": 0.004, "gain_low": 0.001, "gain_high": 0.007,
           "ndcg_discoveries": 0.1, "epochs": 3, "chosen": True, **none}  # fmt: skip
    monkeypatch.setattr(write_report, "newest_study", lambda lake, day: {"on": "2017-12-03", "rows": [row]})
    text = page(settings).text
    assert "Architectures of the network of characteristics, compared on 2017-12-03" in text
    assert "64 units0.601+0.004+0.001 to +0.0070.100–3trained" in text.replace("\n", "")


def test_what_is_known_of_products(settings: Settings, night: Lake, no_plots: None) -> None:
    page = Page("".join(write_report.render(settings, NightTables(settings, night, DAY)).values()))
    assert "1 products have neighbours by common customers and 0 by their description" in page.text
    assert "0 of 1 product types are durable" in page.text
    cells = re.search(r"CHEESE\s*22\s*20\s*23\s*90.0%\s*400", page.text)
    assert cells is not None


def test_labels_with_figures_have_a_curve_of_precision():
    figures = {"coverage_at_precision_0.9": 0.1, "coverage_at_precision_0.5": 0.4, "roc_auc": 0.8}
    rows = [{"title": "buys fish", "metrics": figures}, {"title": "buys for the first time", "metrics": {}}]
    curves = _precision_curves(rows)
    assert curves == {"buys fish": [(0.5, 0.4), (0.9, 0.1)]}
    assert 'alt="customers that can be named, by precision: buys fish"' in plots.precision_curves(curves)
    assert plots.precision_curves({}) == ""
