"""Points of a night's customers on which ways to cut segments are compared: standardised traits, and main axes."""

from __future__ import annotations

from datetime import date

import duckdb
import numpy as np
from sklearn.utils.extmath import randomized_svd

from features.segments.traits import TRAITS
from jobs.lake.lake import Lake
from jobs.score.score_segments import wide_features
from jobs.stages import Stage
from training.segments.look_alike import comparable

#: main axes of the wide features that are clustered
AXES = 16


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
    standardised = (values - np.array(fitted["shift"])) / np.array(fitted["scale"])
    return np.nan_to_num(standardised).astype("float32")


def axes(lake: Lake, day: date, seed: int) -> np.ndarray:
    """Return the main axes of the wide features of all customers, float32 (n, axes), the first of unit deviation."""
    keys = np.sort(
        np.array(lake.arrow("features/profile", day, ["customer_id"])["customer_id"].to_pylist(), dtype=object)
    )
    wide = comparable(wide_features(lake, day, keys)[0])
    if min(wide.shape) <= AXES:
        return np.zeros((0, AXES), dtype="float32")
    left, length, _ = randomized_svd(wide, AXES + 1, n_iter=3, random_state=seed)
    projected = (left * length)[:, 1:]  # the first axis is how much a customer buys at all
    projected = (projected - projected.mean(axis=0)) / max(float(projected[:, 0].std()), 1e-9)
    return np.asarray(projected[np.random.default_rng(seed).permutation(len(projected))], dtype="float32")
