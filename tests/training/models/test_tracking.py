"""The registry, on a real MLflow store in SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conf.errors import DataError
from conf.settings.schema import NetworkTraining
from training.classifiers.linear import LogisticConfig, logistic
from training.classifiers.trees import TreesConfig, trees
from training.models import artifacts
from training.models.tracking import Registry, Version
from training.next_action import evaluate as next_action_evaluate, fit as next_action_fit
from training.rankers import wide_deep
from training.rankers.wide_deep import WideDeepConfig

INPUTS = ["recency_days", "baskets_84"]
TAGS = {"decision": "promoted", "data_version": "d1", "code_version": "c1"}


def rows(seed: int) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    frame = pd.DataFrame(generator.gamma(2, 10, (200, 2)), columns=INPUTS)
    return frame.assign(left=generator.random(200) < frame["recency_days"] / 60)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="module")
def registry(home: Path) -> Iterator[Registry]:
    import mlflow

    before = mlflow.get_tracking_uri()
    yield Registry(f"sqlite:///{home}/mlflow.db", home / "mlartifacts")
    mlflow.set_tracking_uri(before)


def register(registry: Registry, home: Path, name: str, through: str, seed: int) -> Version:
    model = logistic(name, rows(seed), INPUTS, "left", LogisticConfig())
    folder = home / "models" / f"{name}-{seed}"
    artifacts.save(folder, model.to_bytes())
    with registry.run(f"{name} {through}", {"strength": 0.1}, {"model": name}) as run:
        run.metrics({"roc_auc": 0.75, "ece": float("nan")})
        run.curves({"loss": [0.5, 0.25]})
        return registry.register(run, model, folder, {**TAGS, "trained_through": through})


def test_a_registered_model_is_a_challenger_with_all_that_is_known_of_it(registry: Registry, home: Path) -> None:
    version = register(registry, home, "churn", "2017-12-03", 1)
    assert registry.champion("churn", date(2018, 1, 1)) is None
    result = registry.challenger("churn", date(2017, 12, 3))
    assert result is not None
    assert result.sha256 == artifacts.digest(home / "models" / "churn-1")
    assert result.trained_through == date(2017, 12, 3)
    assert {**result.tags} == {
        **TAGS,
        "trained_through": "2017-12-03",
        "sha256": result.sha256,
        "kind": "logistic regression",
        "standing": "challenger",
    }
    assert registry.client.get_model_version_by_alias("churn", "challenger").version == int(version.number)
    run = registry.client.get_run(version.run_id)
    assert run.data.params == {"strength": "0.1"}
    assert run.data.metrics == {"roc_auc": 0.75, "loss": 0.25}
    assert [one.value for one in registry.client.get_metric_history(version.run_id, "loss")] == [0.5, 0.25]


def test_mlflow_s_own_form_has_a_signature_and_no_customer(registry: Registry, home: Path) -> None:
    import mlflow

    version = register(registry, home, "signed", "2017-12-03", 2)
    loaded = mlflow.models.get_model_info(f"models:/signed/{version.number}")
    assert loaded.signature.inputs.input_names() == INPUTS
    example = pd.DataFrame(mlflow.models.Model.load(f"models:/signed/{version.number}").load_input_example())
    assert (example == 1).all().all()


def test_trees_and_networks_register_too(registry: Registry, home: Path) -> None:
    from training.characteristics.fit import files_of
    from training.characteristics.keras_training import CharacteristicShape, build, served

    boosted = trees("boosted", rows(1), rows(2), INPUTS, "left", TreesConfig(rounds=5, min_rows=10))
    made = served(build(CharacteristicShape(3, 2, 0, (4,), seed=1)))
    network = artifacts.from_bytes(files_of(made, "network", ["a", "b", "c"], INPUTS))
    for number, model in enumerate((boosted, network)):
        folder = home / "models" / f"other-{number}"
        artifacts.save(folder, model.to_bytes())
        with registry.run("other", {}, {}) as run:
            made = registry.register(run, model, folder, {**TAGS, "trained_through": "2017-12-03"})
        registry.fetch(made, home / "fetched" / str(number))
        assert artifacts.digest(home / "fetched" / str(number)) == made.sha256


def test_a_run_within_a_run_is_its_child(registry: Registry) -> None:
    with registry.run("study", {}, {"model": "m"}) as whole, registry.run("one", {"units": 3}, {}) as part:
        part.metrics({"gain": 0.5})
    result = registry.client.get_run(part.run_id)
    assert result.data.tags["mlflow.parentRunId"] == whole.run_id
    assert (result.data.params["units"], result.data.metrics["gain"]) == ("3", 0.5)


def test_two_models_of_one_run_keep_their_own_files(registry: Registry, home: Path) -> None:
    made = []
    with registry.run("pair", {}, {}) as run:
        for seed in (21, 22):
            model = logistic("pair", rows(seed), INPUTS, "left", LogisticConfig())
            artifacts.save(home / "models" / f"pair-{seed}", model.to_bytes())
            tags = {**TAGS, "trained_through": "2017-12-03"}
            made.append(registry.register(run, model, home / "models" / f"pair-{seed}", tags))
    for version in made:
        registry.fetch(version, home / "fetched" / version.sha256)
        assert artifacts.digest(home / "fetched" / version.sha256) == version.sha256


def test_a_night_never_gets_a_champion_of_its_future(registry: Registry, home: Path) -> None:
    first = registry.promote(register(registry, home, "dated", "2017-11-01", 3))
    second = registry.promote(register(registry, home, "dated", "2017-12-01", 4))
    result = {
        str(day): registry.champion("dated", day)
        for day in (date(2017, 10, 31), date(2017, 11, 1), date(2017, 11, 30), date(2017, 12, 1), date(2018, 6, 1))
    }
    assert [one and one.sha256 for one in result.values()] == [
        None,
        first.sha256,
        first.sha256,
        second.sha256,
        second.sha256,
    ]


def test_a_backfill_does_not_move_the_alias(registry: Registry, home: Path) -> None:
    newest = registry.promote(register(registry, home, "filled", "2017-12-01", 5))
    registry.promote(register(registry, home, "filled", "2017-11-01", 6))
    assert str(registry.client.get_model_version_by_alias("filled", "champion").version) == newest.number


def test_a_crash_between_registration_and_promotion_leaves_the_old_champion(registry: Registry, home: Path) -> None:
    old = registry.promote(register(registry, home, "crashed", "2017-11-01", 7))
    register(registry, home, "crashed", "2017-12-01", 8)  # and no promotion
    serving = registry.champion("crashed", date(2017, 12, 31))
    assert serving is not None
    assert serving.sha256 == old.sha256
    assert str(registry.client.get_model_version_by_alias("crashed", "champion").version) == old.number


def test_a_crash_between_promotion_and_alias_is_a_promotion(
    registry: Registry, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.promote(register(registry, home, "halfway", "2017-11-01", 9))
    new = register(registry, home, "halfway", "2017-12-01", 10)
    monkeypatch.setattr(registry, "_alias", lambda name: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        registry.promote(new)
    serving = registry.champion("halfway", date(2017, 12, 31))
    assert serving is not None
    assert serving.number == new.number


def test_rollback_serves_the_champion_before(registry: Registry, home: Path) -> None:
    first = registry.promote(register(registry, home, "rolled", "2017-11-01", 11))
    second = registry.promote(register(registry, home, "rolled", "2017-12-01", 12))
    assert registry.rollback("rolled").number == first.number
    serving = registry.champion("rolled", date(2018, 1, 1))
    assert serving is not None
    assert serving.number == first.number
    assert str(registry.client.get_model_version_by_alias("rolled", "champion").version) == first.number
    challenger = registry.challenger("rolled", date(2018, 1, 1))
    assert challenger is None or challenger.number != second.number
    with pytest.raises(DataError, match="model rolled has 1 champion"):
        registry.rollback("rolled")


def test_an_error_in_training_registers_nothing(registry: Registry) -> None:
    with pytest.raises(ZeroDivisionError), registry.run("failing", {}, {"model": "failing"}):
        raise ZeroDivisionError
    (run,) = registry.client.search_runs([registry.experiment], "tags.model = 'failing'")
    assert run.info.status == "FAILED"
    assert registry.versions("failing") == []


def test_a_model_that_is_skipped_is_no_failed_run(registry: Registry) -> None:
    def attempt(error: Exception) -> Any:
        with pytest.raises(type(error)), registry.run("value", {}, {"attempt": str(error)}, skips=(ValueError,)):
            raise error
        return registry.client.search_runs([registry.experiment], f"tags.attempt = '{error}'")[0]

    skipped, failed = attempt(ValueError("12 buyers of 50")), attempt(ArithmeticError("a mistake"))
    assert (skipped.info.status, skipped.data.tags["skipped"]) == ("FINISHED", "12 buyers of 50")
    assert (failed.info.status, "skipped" in failed.data.tags) == ("FAILED", False)


def test_files_that_are_gone_are_told(registry: Registry, home: Path) -> None:
    version = register(registry, home, "gone", "2017-12-01", 13)
    lost = Version(version.name, version.number, "0" * 32, version.tags)
    with pytest.raises(DataError, match=r"the files of model gone version 1 are gone .*`nbo rollback gone`"):
        registry.fetch(lost, home / "fetched" / "gone")


@pytest.mark.parametrize("name", ["wide_deep", "next_action"])
def test_a_network_is_registered_in_the_form_of_its_library_too(registry: Registry, home: Path, name: str) -> None:
    if name == "wide_deep":
        config = WideDeepConfig((4,), 3, training=NetworkTraining(batch=64, epochs=1))
        model = wide_deep.fit("ranker", rows(1), rows(2), INPUTS, "left", config).model
    else:
        visits = pd.DataFrame({"customer_id": ["a"] * 9, "actions": [["TEA"]] * 9, "days_ago": [[2]] * 9,
                               "next": ["TEA"] * 9, "days": [4] * 9})  # fmt: skip
        model = next_action_evaluate.baselines(visits, next_action_fit.NextActionConfig(visits=4))[0].model
    folder = home / "models" / name
    artifacts.save(folder, model.to_bytes())
    with registry.run(name, {}, {}) as run:
        version = registry.register(run, model, folder, {**TAGS, "trained_through": "2017-12-03"})
    registry.fetch(version, home / f"again-{name}")
    assert artifacts.load(home / f"again-{name}", version.sha256).meta == model.meta
