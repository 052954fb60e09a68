from __future__ import annotations

import lightgbm
import numpy as np
import pytest

from training.models.tree_shap import MOST_SPLITS, TreeSplit, contributions, tables


def boosted(leaves: int, missing: bool, zero: bool = False) -> tuple[lightgbm.Booster, np.ndarray]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(3000, 6))
    x[rng.random(x.shape) < 0.3] = np.nan if missing else 0.0
    y = (np.nan_to_num(x[:, 0]) * np.nan_to_num(x[:, 1]) + np.isnan(x[:, 2]) + rng.normal(0, 0.5, 3000)) > 0.3
    how = {"objective": "binary", "num_leaves": leaves, "bagging_fraction": 0.7, "bagging_freq": 1, "verbose": -1}
    how |= {"zero_as_missing": zero, "num_threads": 1, "seed": 1}
    return lightgbm.train(how, lightgbm.Dataset(x, y.astype(float)), 30), x


@pytest.mark.parametrize(("missing", "zero"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("leaves", [2, 6, MOST_SPLITS + 1])
def test_tables_give_what_lightgbm_works_out(leaves, missing, zero):
    booster, x = boosted(leaves, missing, zero)
    held = tables(booster.dump_model()["tree_info"])
    rows = np.vstack([x[:500], np.full((1, 6), np.nan), np.zeros((1, 6))])  # NaN, though training had none
    result, whole = contributions(held, rows), booster.predict(rows, pred_contrib=True)
    np.testing.assert_allclose(result, whole[:, :-1], atol=1e-9)
    np.testing.assert_allclose(result.sum(axis=1) + whole[:, -1], booster.predict(rows, raw_score=True), atol=1e-9)


def test_one_split_adds_the_way_to_the_mean():
    leaf = {"left_child": {"leaf_value": 2.0, "leaf_count": 10}, "right_child": {"leaf_value": -1.0, "leaf_count": 30}}
    node = {"split_index": 0, "split_feature": 1, "threshold": 5.0, "decision_type": "<=", "default_left": False}
    held = tables([{"tree_structure": {**node, **leaf, "missing_type": "NaN", "internal_count": 40}}])
    x = np.array([[0.0, 5.0], [0.0, 5.1], [0.0, np.nan]])
    np.testing.assert_allclose(contributions(held, x), [[0, 2.25], [0, -0.75], [0, -0.75]])  # the mean is -0.25


def test_large_trees_have_no_table():
    booster, _ = boosted(MOST_SPLITS + 2, True)
    assert tables(booster.dump_model()["tree_info"]) is None
    assert contributions([], np.zeros((2, 3))).tolist() == [[0, 0, 0]] * 2
    assert TreeSplit(0, 1.0, "None", True).left(np.array([np.nan, 2.0])).tolist() == [True, False]
