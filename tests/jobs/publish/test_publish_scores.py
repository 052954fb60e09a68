"""Publishing a night: what reaches the database, and when it is skipped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
import sqlalchemy as sa

from conf.errors import DataError
from conf.settings.schema import Settings
from jobs.database import database
from jobs.lake.lake import Lake
from jobs.publish import publish_scores
from jobs.report import write_report
from jobs.segments import write_segments
from jobs.stages import Stage

DAY = date(2017, 12, 3)


def test_all_tables_of_the_night_are_published(settings: Settings, night: Lake) -> None:
    manifest = publish_scores.run(settings, DAY)
    written = night.need(Stage.SCORE, DAY).tables
    rules = written["scores/segments"].rows - 4
    picked, overlaps = written["scores/segment_members"].rows - 40, written["scores/segment_overlaps"].rows
    assert min(rules, picked, overlaps) > 0
    assert manifest.tables == {}
    assert manifest.facts["rows"] == {
        "next_best_offer": 200,
        "customer_scores": 40,
        "decisions": 0,
        "decision_ledger": 0,
        "decision_limits": 0,
        "segments": 4 + rules,
        "segment_members": 40 + picked,
        "segment_affinities": 0,
        "segment_overlaps": overlaps,
        "look_alike_curves": 0,
        "feature_coverage": 1,
        "product_clusters": 2,
        "cluster_journal": 0,
        "similar_products": 1,
        "bought_together": 1,
        "offer_lists": 1,
        "store_overlaps": 1,
        "repurchase": 1,
        "cluster_repurchase": 1,
        "customer_tags": 1,
        "tag_recommendations": 1,
        "characteristic_recommendations": 120,
        "need_categories": 1,
        "needs": 6,
        "characteristics": 10,
        "segment_needs": 1,
        "customer_propensities": 20,
        "kpi_rules": 2,
        "uplift_verdicts": 1,
        "organization_characteristics": 0,
        "next_actions": 80,
        "model_versions": 3,
        "model_comparison": 9,
        "data_quality": 3,
        "nightly_runs": 1,
    }
    run = database.rows(settings.database, "nightly_runs", ds=DAY)[0]
    figures = (run["customers"], run["offers"], run["order_lines"], run["quarantined_rows"])
    assert figures == (40, 200, 2, 3)
    first = database.rows(settings.database, "next_best_offer", ds=DAY, customer_id="c0000")
    assert [row["rank"] for row in first] == [1, 2, 3, 4, 5]
    assert (first[0]["offer_kind"], first[0]["valid_to"], first[0]["uplift"]) == ("coupon", "2017-12-23", None)


def test_nothing_is_written_again_when_nothing_changed(settings: Settings, night: Lake) -> None:
    first = publish_scores.run(settings, DAY)
    assert publish_scores.run(settings, DAY).version == first.version
    assert publish_scores.run(settings, DAY, force=True).version != first.version


def test_a_night_that_is_gone_from_the_database_is_published_again(settings: Settings, night: Lake) -> None:
    publish_scores.run(settings, DAY)
    with database.connect(settings.database) as connection:
        connection.execute(sa.text("delete from nightly_runs"))
        connection.commit()
    publish_scores.run(settings, DAY)
    assert database.newest(settings.database) == DAY


def test_another_database_gets_the_night_too(settings: Settings, night: Lake) -> None:
    publish_scores.run(settings, DAY)
    elsewhere = settings.model_copy(update={"database": f"sqlite:///{settings.home}/other.db"})
    publish_scores.run(elsewhere, DAY)
    assert len(database.rows(elsewhere.database, "customer_scores")) == 40


def test_new_scores_replace_the_night(settings: Settings, make_night: Callable[..., Lake]) -> None:
    make_night()
    publish_scores.run(settings, DAY)
    make_night(customers=12, seed=7)
    publish_scores.run(settings, DAY)
    assert len(database.rows(settings.database, "next_best_offer", ds=DAY)) == 60


def test_customers_per_offer_are_the_offers_per_customer(settings: Settings, night: Lake) -> None:
    publish_scores.run(settings, DAY)
    with database.connect(settings.database) as connection:
        result = connection.execute(sa.text("select * from current_customers_per_offer")).mappings().all()
    pairs = {(row["offer_id"], row["customer_id"]): row["propensity"] for row in result}
    offers = database.rows(settings.database, "next_best_offer")
    assert pairs == {(row["offer_id"], row["customer_id"]): row["propensity"] for row in offers}
    assert len(pairs) == len(result) == 200
    for offer in {row["offer_id"] for row in result}:
        ranked = sorted((row for row in result if row["offer_id"] == offer), key=lambda row: row["rank"])
        assert [row["rank"] for row in ranked] == list(range(1, len(ranked) + 1))
        assert [row["propensity"] for row in ranked] == sorted((row["propensity"] for row in ranked), reverse=True)


def test_only_the_newest_night_of_neighbours_is_kept(settings: Settings, make_night: Callable[..., Lake]) -> None:
    for day in (DAY, date(2017, 12, 4)):
        make_night(day)
        publish_scores.run(settings, day)
    kept = {name: {row["ds"] for row in database.rows(settings.database, name)} for name in publish_scores.TABLES}
    assert kept["similar_products"] == kept["customer_tags"] == {"2017-12-04"}
    assert kept["next_best_offer"] == kept["product_clusters"] == {"2017-12-03", "2017-12-04"}


def test_two_runs_publish_equal_scores(settings: Settings, night: Lake) -> None:
    publish_scores.run(settings, DAY)
    before = {name: database.rows(settings.database, name) for name in publish_scores.TABLES}
    publish_scores.run(settings, DAY, force=True)
    assert {name: database.rows(settings.database, name) for name in publish_scores.TABLES} == before


def test_a_night_without_scores_says_what_to_run(settings: Settings) -> None:
    with pytest.raises(DataError, match="2017-12-03 has no published score; run `nbo score --ds 2017-12-03` first"):
        publish_scores.run(settings, DAY)


def test_postgresql_gets_the_same_rows_as_sqlite(settings: Settings, night: Lake, postgresql: str) -> None:
    server = settings.model_copy(update={"database": postgresql})
    for place in (settings, server):
        publish_scores.run(place, DAY)
        write_segments.run(place, DAY)
        write_report.run(place, DAY)
    for name in [*publish_scores.TABLES, "offer_outcomes"]:
        assert database.rows(settings.database, name) == database.rows(postgresql, name), name
    assert "PostgreSQL" in night.need(Stage.PUBLISH, DAY).facts["database"]
