"""Who is in which segment, what sets it apart, and what is shared, by hand."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads
import pytest
from scipy import sparse

from conf.errors import ConfigError
from conf.settings.schema import LookAlike, Partition, Segments
from scoring.segments.audiences import (
    Audience,
    affinities,
    look_alikes,
    overlaps,
    portraits,
    rule_audiences,
    value_slugs,
)
from training.segments.look_alike import LookAlikeConfig

KEYS = np.array(["a", "b", "c", "d", "e"], dtype=object)
SCORES = pads.dataset(
    pa.table(
        {
            "customer_id": ["e", "a", "d", "b", "c"],  # any order
            "spend": [5.0, 1.0, 4.0, 2.0, 3.0],
            "stage": ["Young & free", "old", None, "old", "Young/free"],
        }
    )
)
OFFERS = pads.dataset(
    pa.table(
        {
            "customer_id": ["b", "b"],
            "rank": [1, 2],
            "kind": ["x", "y"],
            "expected_spend": [1, 2],
            "expected_value": [1.0, 2.0],
        }
    )
)


def settings(**more) -> Segments:
    rule = {"slug": "rich", "title": "Rich", "about": "who spends", "where": "spend >= 3", "family": "money"}
    offered = {"slug": "offered", "title": "Offered", "about": "y", "where": "true", "offer_where": "kind = 'y'"}
    return Segments(segments=[rule, offered], **more)


def test_rules_and_partitions():
    parts = [Partition(family="stage", by="stage", least_members=1)]
    result = {one.slug: one for one in rule_audiences(settings(partitions=parts), SCORES, OFFERS, KEYS)}
    and_free, or_free = (f"stage_{slug}" for slug in value_slugs(["Young & free", "Young/free"]))
    assert {slug: KEYS[one.places].tolist() for slug, one in result.items()} == {
        "rich": ["c", "d", "e"], "offered": ["b"], "stage_old": ["a", "b"], and_free: ["e"], or_free: ["c"],
    }  # fmt: skip
    assert (result["rich"].family, result["stage_old"].title) == ("money", "old")
    few = [Partition(family="stage", by="stage", least_members=2)]
    assert len(rule_audiences(settings(partitions=few), SCORES, OFFERS, KEYS)) == 3
    for wrong in ("random()", "nothing", "(select 1)"):
        with pytest.raises(ConfigError, match="segment stage: its rule cannot be used"):
            rule_audiences(settings(partitions=[Partition(family="stage", by=wrong)]), SCORES, OFFERS, KEYS)


def test_an_affinity_index_and_its_interval_by_hand():
    bought = sparse.csr_matrix(np.repeat([[1, 1], [1, 0], [0, 1]], [40, 10, 150], axis=0))
    rows = affinities(
        [Audience("s", "f", "S", np.arange(50)), Audience("none", "f", "N", np.arange(0))], bought, ["A", "B"]
    )
    (first,) = [row for row in rows if row[1] == "A"]
    error = math.sqrt(1 / 50 - 1 / 50 + 1 / 50 - 1 / 200)
    assert first[:5] == ("s", "A", 1, 50, 4.0)
    assert first[5:] == pytest.approx((4 * math.exp(-1.96 * error), 4 * math.exp(1.96 * error)), abs=1e-6)
    (under,) = [row for row in rows if row[1] == "B"]
    assert under[2] == 2
    assert under[4] == pytest.approx(0.8 / 0.95, abs=1e-6)
    assert under[6] < 1


def test_what_is_not_clear_is_not_told():
    rng = np.random.default_rng(0)
    bought = sparse.csr_matrix((rng.random((400, 3)) < 0.3).astype("int64"))
    assert affinities([Audience("s", "f", "S", np.arange(0, 400, 4))], bought, ["A", "B", "C"]) == []


def test_overlaps_by_hand():
    two = [Audience("x", "f", "X", np.array([0, 1, 2])), Audience("y", "f", "Y", np.array([2, 3]))]
    assert overlaps([*two, Audience("z", "f", "Z", np.array([9]))], 10) == [
        ("x", "y", 1, round(1 / 3, 6), 0.25, round(10 / 6, 6)), ("y", "x", 1, 0.5, 0.25, round(10 / 6, 6)),
    ]  # fmt: skip
    assert overlaps([], 0) == []


def test_portraits_say_what_stands_out_and_bear_what_is_unknown():
    traits = np.tile([5.0, 100.0, 20.0, 3.0, 0.2, 0.3, 0.0], (10, 1))
    traits[:5, 0], traits[9, 5] = 25.0, np.nan
    means, words = portraits([Audience("s", "f", "S", np.arange(5))], traits)["s"]
    assert means["frequency"] == 25
    assert words.startswith("Above average: 25.0 ± 0.0 baskets in 84 days (average 15.0)")


def test_a_seed_is_a_slug_or_a_condition_and_grows_by_its_factor():
    size, rng = 300, np.random.default_rng(0)
    alike = np.arange(size) < 60
    wide = sparse.csr_matrix(rng.poisson(np.where(alike[:, None], 2.0, 0.3), (size, 30)).astype("float32"))
    keys = np.array([f"{n:03d}" for n in range(size)], dtype=object)
    scores = pads.dataset(pa.table({"customer_id": pa.array(keys, pa.string()), "n": np.arange(size)}))
    base = {"title": "T", "about": "t"}
    config = [
        LookAlike(slug="by_rule", seed="n < 30", factor=2, **base),
        LookAlike(slug="by_slug", seed="first", reach=40, known="n < 200", **base),
        LookAlike(slug="tiny", seed="n < 3", **base),
        LookAlike(slug="by_lot", seed="n % 7 = 0", **base),
    ]
    rules = [Audience("first", "f", "F", np.arange(30))]
    result = look_alikes(config, rules, scores, keys, wide, LookAlikeConfig())
    by_rule, by_slug = result.audiences
    assert by_rule.bands[:30] == ("seed",) * 30
    assert (len(by_rule.places), len(by_slug.places)) == (60, 40)
    assert alike[by_rule.places[30:]].mean() > 0.9
    assert list(result.skipped) == ["tiny", "by_lot"]
    assert result.skipped["by_lot"] == "hidden members of the seed are ranked no better than at random"
    assert set(result.curves) == {"by_rule", "by_slug", "by_lot"}
    with pytest.raises(ConfigError, match="a seed is a condition or the slug of a segment"):
        look_alikes([LookAlike(slug="bad", seed="unknown_slug", **base)], rules, scores, keys, wide, LookAlikeConfig())


def test_ids_of_values_keep_letters_of_any_script_and_do_not_depend_on_their_neighbours():
    tea, bread = "Чай", "Хлеб/булка"
    assert value_slugs([tea, bread]) == ["чай", "хлеб_булка"]
    assert value_slugs([bread]) == ["хлеб_булка"]
    assert value_slugs(["SOFT DRINKS", "FRZN MEAT/MEAT DINNERS"]) == ["soft_drinks", "frzn_meat_meat_dinners"]


def test_values_that_would_share_an_id_are_told_apart_by_a_hash_of_their_own():
    first, second, empty = value_slugs(["A/B", "a b", "+++"])
    assert first.startswith("a_b_")
    assert second.startswith("a_b_")
    assert first != second
    assert empty
    assert value_slugs(["a b", "+++", "A/B"]) == [second, empty, first]
