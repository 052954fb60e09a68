"""Compares ways to cut the night's customers into segments; a part of the weekly training, logged in MLflow."""

from __future__ import annotations

import logging
import re
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow.dataset as pads
from scipy import sparse

from conf.settings.schema import Settings
from features.segments.segments import TRAITS
from jobs.lake.lake import Lake
from jobs.score.score_segments import wide_features
from jobs.stages import Stage

if TYPE_CHECKING:
    from training.models.tracking import Registry

log = logging.getLogger(__name__)
#: axes of the wide features that are clustered
AXES = 16
#: columns of the wide features that hold baskets with a category
_BASKETS = "baskets_84|category "
#: characters that MLflow keeps of a parameter
_LONGEST = 500


def compare_segments(settings: Settings, registry: Registry, lake: Lake, day: date) -> list[dict[str, Any]]:
    """Judge every way on the traits that the night's segments rest on, and on the main axes of the wide features.

    Returns:
        A row for each space, way and number of segments, as :class:`peers.segment_methods.Verdict` has it; none
        where the night has no features or too few customers.
    """
    from training.segments.segment_methods import MethodsConfig, compare
    from training.segments.topics import TopicsConfig, judge_topics

    if not lake.has("features/profile", day):
        return []
    config = MethodsConfig(seed=settings.models.seed)
    rows: list[dict[str, Any]] = []
    with registry.run(f"segments {day}", asdict(config), {"model": "segments", "ds": str(day)}) as run:
        for space, points in (("traits", traits(lake, day)), ("wide", axes(lake, day, config.seed))):
            for one in compare(points, config):
                rows.append({"space": space, **asdict(one)})
                name = re.sub("[^a-z0-9]+", "_", f"{space} {one.method.lower()} {one.k}").strip("_")
                run.metrics({f"{name}/silhouette": one.silhouette, f"{name}/stability": one.stability,
                             f"{name}/smallest_share": one.smallest_share})  # fmt: skip
                if one.chosen:
                    run.params({f"chosen {space}": f"{one.method}, {one.k} segments"})
                    log.info("segments by %s: %s with %d segments is chosen", space, one.method, one.k)
        counts, categories = category_counts(lake, day)
        for topics in judge_topics(counts, TopicsConfig(seed=settings.models.seed)):
            figures = {"perplexity": topics.perplexity, "perplexity_of_all": topics.of_all,
                       "perplexity_of_own": topics.of_own, "softness": topics.softness}  # fmt: skip
            run.metrics({f"topics_{topics.k}/{name}": value for name, value in figures.items()})
            told = "; ".join(", ".join(categories[place] for place in named) for named in topics.categories)
            run.params({f"topics {topics.k}": told[:_LONGEST]})
    return rows


def category_counts(lake: Lake, day: date) -> tuple[sparse.csr_matrix, list[str]]:
    """Return in how many baskets of 84 days each category was, by customer in the order of keys, and the categories."""
    if not lake.has("features/wide", day):
        return sparse.csr_matrix((0, 0)), []
    known = lake.arrow("features/feature_coverage", day).filter(pads.field("table_name") == "wide")
    columns = [str(name) for name in known.sort_by("position")["column_name"].to_pylist()]
    chosen = [place for place, name in enumerate(columns) if name.startswith(_BASKETS)]
    keys = np.sort(np.array(lake.arrow("features/wide", day, ["customer_id"])["customer_id"].to_pylist(), dtype=object))
    return wide_features(lake, day, keys)[0][:, chosen], [columns[n].removeprefix(_BASKETS) for n in chosen]


def traits(lake: Lake, day: date) -> np.ndarray:
    """Return the standardised traits of the customers that are not cold, float32 (n, t), by a hash of their keys."""
    fitted = lake.need(Stage.FEATURES, day).facts.get("segments", {})
    if not fitted.get("centres"):
        return np.zeros((0, len(TRAITS)), dtype="float32")
    cells = ", ".join(f"({value})::double as {trait}" for trait, (value, _) in TRAITS.items())
    with duckdb.connect() as engine:
        engine.register("profile", lake.dataset("features/profile", day))
        query = f"select {cells} from profile where not is_cold order by md5(customer_id), customer_id"
        table = engine.sql(query).to_arrow_table()
    values = np.stack([table[trait].to_numpy() for trait in TRAITS], axis=1)
    for place, (_, logged) in enumerate(TRAITS.values()):
        if logged:
            values[:, place] = np.log1p(np.maximum(values[:, place], 0))
    found = (values - np.array(fitted["shift"])) / np.array(fitted["scale"])
    return np.nan_to_num(found).astype("float32")


def axes(lake: Lake, day: date, seed: int) -> np.ndarray:
    """Return the main axes of the wide features of all customers, float32 (n, axes), the first of unit deviation."""
    from sklearn.utils.extmath import randomized_svd

    from training.segments.look_alike import comparable

    keys = np.sort(
        np.array(lake.arrow("features/profile", day, ["customer_id"])["customer_id"].to_pylist(), dtype=object)
    )
    wide = comparable(wide_features(lake, day, keys)[0])
    if min(wide.shape) <= AXES:
        return np.zeros((0, AXES), dtype="float32")
    left, length, _ = randomized_svd(wide, AXES + 1, n_iter=3, random_state=seed)
    found = (left * length)[:, 1:]  # the first axis is how much a customer buys at all
    found = (found - found.mean(axis=0)) / max(float(found[:, 0].std()), 1e-9)
    return np.asarray(found[np.random.default_rng(seed).permutation(len(found))], dtype="float32")
