"""Models as folders: what is saved comes back, and nothing else does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conf.errors import DataError
from training.classifiers.calibration import calibrated
from training.classifiers.linear import LogisticConfig, logistic
from training.classifiers.trees import POINTS, TreesConfig, trees
from training.models import artifacts

INPUTS = ["recency_days", "baskets_84", "spend_84"]


def rows(seed: int = 1, size: int = 600) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    frame = pd.DataFrame(generator.gamma(2, 10, (size, 3)), columns=INPUTS)
    frame["left"] = generator.random(size) < 1 / (1 + np.exp(2 - frame["recency_days"] / 10))
    frame.loc[::7, "spend_84"] = np.nan
    return frame


def linear() -> artifacts.Model:
    return logistic("churn", rows(), INPUTS, "left", LogisticConfig())


def boosted() -> artifacts.Model:
    return trees("churn", rows(), rows(2), INPUTS, "left", TreesConfig(rounds=20, min_rows=10))


@pytest.mark.parametrize("make", [linear, boosted])
def test_a_saved_model_predicts_the_same(make: object, tmp_path: Path) -> None:
    model = make()  # type: ignore[operator]
    sha256 = artifacts.save(tmp_path / "m", model.to_bytes())
    again = artifacts.load(tmp_path / "m", sha256)
    assert np.array_equal(again.predict(rows(3)), model.predict(rows(3)))
    assert again.meta == model.meta
    assert artifacts.digest(tmp_path / "m") == sha256


@pytest.mark.parametrize("make", ["linear", "boosted"])
def test_the_same_data_gives_the_same_bytes_in_another_process(make: str) -> None:
    code = (
        "import importlib.util, sys; from training.models.artifacts import digest;"
        f"spec = importlib.util.spec_from_file_location('t', {__file__!r});"
        "t = importlib.util.module_from_spec(spec); spec.loader.exec_module(t);"
        f"sys.stdout.write(digest(t.{make}().to_bytes()))"
    )
    actual = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert actual == artifacts.digest(globals()[make]().to_bytes())


def test_every_flipped_byte_is_refused(tmp_path: Path) -> None:
    sha256 = artifacts.save(tmp_path / "m", linear().to_bytes())
    for file in sorted((tmp_path / "m").iterdir()):
        whole = file.read_bytes()
        for place in (0, len(whole) // 2, len(whole) - 1):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            with pytest.raises(DataError, match="is not the one that was registered"):
                artifacts.load(tmp_path / "m", sha256)
        file.write_bytes(whole)
    artifacts.load(tmp_path / "m", sha256)


def test_a_missing_or_an_added_file_is_refused(tmp_path: Path) -> None:
    sha256 = artifacts.save(tmp_path / "m", linear().to_bytes())
    (tmp_path / "m" / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match="not the one that was registered"):
        artifacts.load(tmp_path / "m", sha256)
    (tmp_path / "m" / "notes.txt").unlink()
    (tmp_path / "m" / "model.skops").unlink()
    with pytest.raises(DataError, match="not the one that was registered"):
        artifacts.load(tmp_path / "m", sha256)
    with pytest.raises(DataError, match=r"no file model\.skops"):
        artifacts.from_bytes({"meta.json": (tmp_path / "m" / "meta.json").read_bytes()})
    with pytest.raises(DataError, match=r"no model in .*; run `nbo train` again"):
        artifacts.load(tmp_path / "nowhere", sha256)


def test_a_type_that_could_run_code_is_refused() -> None:
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    files = linear().to_bytes()
    evil = skops.io.dumps(FunctionTransformer(subprocess.check_output))
    with pytest.raises(DataError, match=r"not trusted: \['subprocess.check_output'\]"):
        artifacts.from_bytes({**files, "model.skops": evil})


@pytest.mark.parametrize("make", [linear, boosted])
def test_contributions_add_up_to_the_log_odds(make: object) -> None:
    model = make()  # type: ignore[operator]
    frame = rows(3)
    result = model.contributions(frame)
    assert result.shape == (len(frame), 3)
    probability = model.predict(frame)
    rest = np.log(probability / (1 - probability)) - result.sum(axis=1)
    assert rest == pytest.approx(np.full(len(frame), rest[0]), abs=1e-6)  # the expectation, the same for all


@pytest.mark.parametrize("make", [linear, boosted])
def test_missing_values_and_no_rows_are_fine_but_a_missing_column_is_not(make: object) -> None:
    model = make()  # type: ignore[operator]
    empty = pd.DataFrame({name: [None] for name in INPUTS}, dtype="float64")
    assert np.isfinite(model.predict(empty)).all()
    assert model.predict(empty.head(0)).shape == (0,)
    assert model.contributions(empty.head(0)).shape == (0, 3)
    with pytest.raises(DataError, match=r"model churn: missing input column\(s\) \['spend_84'\]"):
        model.predict(empty.drop(columns="spend_84"))


def test_calibration_mends_probabilities_and_keeps_the_order() -> None:
    frame = rows(4, 4000)
    model = linear()
    skewed = artifacts.Meta(**{**model.meta.__dict__, "extra": {"calibration": [3.0, 2.0]}})
    wrong = artifacts.from_bytes({**model.to_bytes(), "meta.json": skewed.to_json().encode()})
    mended = calibrated(wrong, frame, "left")
    share = frame["left"].mean()
    assert abs(wrong.predict(frame).mean() - share) > 0.05
    assert abs(mended.predict(frame).mean() - share) < 0.005
    assert np.array_equal(np.argsort(mended.predict(frame)), np.argsort(wrong.predict(frame)))


def test_a_calibrated_model_is_left_alone() -> None:
    frame = rows(1)
    model = linear()
    assert calibrated(model, frame, "left") is model


def test_the_validation_loss_of_trees_is_told_by_round_and_thinned() -> None:
    curves: dict[str, list[float]] = {}
    config = TreesConfig(rounds=120, patience=120, min_rows=10)
    model = trees("churn", rows(), rows(2), INPUTS, "left", config, curves)
    assert len(curves["validation_loss"]) == len(curves["round"]) == POINTS
    assert (curves["round"][0], curves["round"][-1]) == (1, 120)
    probability, truth = model.predict(rows(2)), rows(2)["left"].to_numpy(dtype=bool)
    best = -np.log(np.where(truth, probability, 1 - probability)).mean()  # the model stops at its best round
    assert best <= min(curves["validation_loss"]) + 1e-9
    assert best == pytest.approx(min(curves["validation_loss"]), abs=2e-3)
    silent: dict[str, list[float]] = {}
    trees("churn", rows(), None, INPUTS, "left", TreesConfig(rounds=5, min_rows=10), silent)
    assert silent == {}
    assert trees("churn", rows(), rows(2), INPUTS, "left", config).to_bytes() == model.to_bytes()
