"""The stage that pins champions: which model serves which night, and why.

The models are tiny, the registry is real.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from conf.errors import ConfigError, DataError
from conf.settings.load import load
from conf.settings.schema import Settings
from jobs.commands import approve, roll_back
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.moved_home import follow_home
from jobs.stages import Stage
from jobs.train import train_models
from jobs.train.model_pins import open_registry
from jobs.train.training_run import WEEKLY
from training import registry
from training.characteristics.architectures import Study
from training.characteristics.fit import CharacteristicsConfig, FirstFit
from training.classifiers.linear import LogisticConfig, logistic
from training.contenders import Contenders, NotEnoughData
from training.evaluation.fitted import Evaluation, FittedModel
from training.evaluation.leakage import split
from training.models import artifacts
from training.spec import ModelSpec

NIGHT = date(2017, 12, 3)
INPUTS = ["recency_days", "baskets_84"]
CUSTOMERS = [f"c{number}" for number in range(100)]
NOISE = np.random.default_rng(0).normal(0, 0.01, 100)


class World:
    """What the models of a test are worth, and how often they were trained."""

    def __init__(self) -> None:
        self.value, self.baseline, self.trained, self.seed = 0.5, 0.4, 0, 0
        self.inputs = INPUTS
        self.rivals: dict[str, float] = {}
        self.leaking: dict[str, list[str]] = {}

    def contenders(self, sets: Any, models: Any) -> Contenders:
        self.trained += 1
        self.seed += 1
        start, challenger = self.made(0, "plain", self.baseline), self.made(self.seed, "", self.value)
        rest = [self.made(-place, name, worth) for place, (name, worth) in enumerate(self.rivals.items(), 1)]
        days = (sets.windows.training, (sets.windows.gate,), (sets.windows.validation,))
        train, gate, validation = (pd.DataFrame({"as_of": list(day)}) for day in days)
        return Contenders(start, challenger, judge, rest, split=split(train, gate, 28, validation))

    def made(self, seed: int, family: str, worth: float) -> FittedModel:
        model = tiny(self.inputs, abs(seed), family)
        recorded[artifacts.digest(model.to_bytes())] = worth
        return FittedModel(model)


recorded: dict[str, float] = {}


def judge(model: artifacts.Model) -> Evaluation:
    return judged(recorded[artifacts.digest(model.to_bytes())])


def judged(value: float) -> Evaluation:
    one = pd.Series(value + NOISE * value, index=CUSTOMERS)
    return Evaluation(one, {"roc_auc": value}, np.linspace(0, 1, 100), np.tile([0, 1], 50))


def tiny(inputs: list[str], seed: int, family: str, name: str = "churn") -> artifacts.Model:
    generator = np.random.default_rng(seed)
    frame = pd.DataFrame(generator.gamma(2, 10, (100, len(inputs))), columns=inputs)
    frame["left"] = generator.random(100) < 0.5
    return logistic(name, frame, inputs, "left", LogisticConfig(), family)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    from jobs import spark
    from jobs.train.sets import training_sets

    result = World()

    @contextmanager
    def sets(settings: Any, lake: Any, session: Any, day: Any, windows: Any, wanted: Any) -> Iterator[Any]:
        yield SimpleNamespace(windows=windows, leaking=result.leaking)

    monkeypatch.setattr(training_sets, "training_sets", sets)
    monkeypatch.setattr(spark, "session", lambda settings, name: None)
    declare(monkeypatch, declared("churn", result.contenders))
    return result


def declared(name: str, contenders: Callable[..., Any], **more: Any) -> ModelSpec:
    """A model of the set ``customers``; its scores go to a table of its own."""
    table = None if more.get("challenges") else "customer_scores"
    inputs = more.pop("inputs", tuple(INPUTS))
    return ModelSpec(name, "tests", name, ("customers",), "log_likelihood", inputs, contenders, table=table, **more)


def declare(monkeypatch: pytest.MonkeyPatch, *specs: ModelSpec) -> None:
    """Let these be all models of the pipeline."""
    monkeypatch.setattr(registry, "specs", lambda: specs)


def publish_clean(settings: Settings, day: date, first: date = date(2017, 1, 1)) -> None:
    lake = Lake(settings.lake)
    with lake.draft(Stage.VALIDATE, day) as draft:
        draft.arrow("clean/order_lines", pa.table({"ordered_on": pa.array([first, day], pa.date32())}))
        draft.commit(Manifest("validate", str(day), ""))


def pins(manifest: Manifest) -> dict[str, Any]:
    return {name: pin["standing"] for name, pin in manifest.facts["pins"].items()}


def versions(settings: Settings, day: date) -> list[dict[str, Any]]:
    return Lake(settings.lake).arrow("models/model_versions", day).to_pylist()


def test_a_better_challenger_is_the_first_champion(installed: Settings, world: World) -> None:
    publish_clean(installed, NIGHT)
    manifest = train_models.run(installed, NIGHT)
    assert pins(manifest) == {"churn": "champion"}
    pin = manifest.facts["pins"]["churn"]
    assert artifacts.load(pin["uri"], pin["sha256"]).meta.name == "churn"
    assert (pin["trained_through"], pin["kind"], pin["baseline"]) == ("2017-12-03", "logistic regression", "plain")
    assert pin["value"] == pytest.approx(0.5, abs=0.01)
    (row,) = versions(installed, NIGHT)
    assert row["decision"].startswith("promoted: beats plain by +0.1")
    assert 0 < row["low"] < row["value"] - row["baseline_value"] < row["high"]


def test_all_methods_of_a_training_stand_in_one_table(installed: Settings, world: World) -> None:
    publish_clean(installed, NIGHT)
    train_models.run(installed, NIGHT)
    later = NIGHT + timedelta(days=1)  # trains nothing: it shows what was compared the night before
    publish_clean(installed, later)
    train_models.run(installed, later)
    for night in (NIGHT, later):
        result = Lake(installed.lake).arrow("models/model_comparison", night).to_pylist()
        assert [(row["method"], row["slice"], row["metric"], row["customers"]) for row in result] == [
            ("logistic regression (challenger)", "all", "log_likelihood", 100),
            ("plain", "all", "log_likelihood", 100),
        ]
        assert [row["value"] for row in result] == pytest.approx([0.5, 0.4], abs=0.01)
        assert all(row["low"] < row["value"] < row["high"] for row in result)


def test_what_is_no_model_stands_in_the_table_too(installed: Settings, world: World) -> None:
    """The recall of sources of candidates, what lists show, and a cold slice in which nobody is."""
    from mlflow import MlflowClient

    recall = pd.DataFrame(
        [("popular", "all", 0.25, 15.0, 90), ("popular", "repeats", np.nan, 15.0, 0)],
        columns=["source", "slice", "recall", "candidates", "customers"],
    )

    def shown(model: artifacts.Model) -> Evaluation:
        result = judge(model)
        slices = {
            "all": result.by_customer.to_frame("ndcg"),
            "cold customers": result.by_customer.to_frame("ndcg").iloc[:0],
        }
        lists = {"coverage": 0.5, "novelty": 1.5, "diversity": 0.25, "miscalibration": 1.0}
        return replace(result, slices=slices, metrics={**result.metrics, **lists})

    def contenders(sets: Any, models: Any) -> Contenders:
        return replace(world.contenders(sets, models), evaluate=shown, recall=recall)

    with pytest.MonkeyPatch.context() as patch:
        declare(patch, declared("churn", contenders))
        publish_clean(installed, NIGHT)
        train_models.run(installed, NIGHT)
    columns = ["method", "slice", "metric", "value", "customers"]
    result = [tuple(row[name] for name in columns) for row in
             Lake(installed.lake).arrow("models/model_comparison", NIGHT).to_pylist()]  # fmt: skip
    for method in ("logistic regression (challenger)", "plain"):
        assert (method, "all", "coverage", 0.5, 100) in result
        assert (method, "cold customers", "ndcg", None, 0) in result
    assert [row for row in result if row[0].startswith("candidates")] == [
        ("candidates: popular", "all", "candidate_recall", 0.25, 90),
        ("candidates: popular", "all", "candidates_each", 15.0, 90),
        ("candidates: popular", "repeats", "candidate_recall", None, 0),
    ]
    run = MlflowClient(installed.mlflow).get_run(versions(installed, NIGHT)[0]["run_id"])
    assert run.data.metrics["recall_popular"] == 0.25
    assert "recall_popular_repeats" not in run.data.metrics
    assert (run.data.metrics["coverage"], run.data.metrics["baseline_coverage"]) == (0.5, 0.5)


def test_the_champions_probabilities_are_held_against_what_happened(installed: Settings, world: World) -> None:
    publish_clean(installed, NIGHT)
    train_models.run(installed, NIGHT)
    curve = Lake(installed.lake).arrow("models/reliability", NIGHT).to_pandas()
    assert curve["bin"].tolist() == list(range(1, 11))
    assert curve["predicted"].is_monotonic_increasing
    assert curve["observed"].tolist() == [0.5] * 10  # the made-up truth alternates
    assert curve["rows"].sum() == 100


def test_a_further_baseline_has_to_be_beaten_too(installed: Settings, world: World) -> None:
    world.rivals = {"EASE": 0.6}
    publish_clean(installed, NIGHT)
    train_models.run(installed, NIGHT)
    challenger = next(row for row in versions(installed, NIGHT) if row["standing"] == "challenger")
    assert "beats plain by +0.1" in challenger["decision"]
    assert "does not beat EASE by -0.1" in challenger["decision"]
    assert challenger["decision"].startswith("refused")
    assert (challenger["baseline"], challenger["baseline_value"]) == ("EASE", pytest.approx(0.6, abs=0.01))
    champion = next(row for row in versions(installed, NIGHT) if row["standing"] == "champion")
    assert (champion["kind"], champion["baseline"]) == ("EASE", "EASE")
    assert champion["decision"].startswith("promoted: EASE, the best baseline; the challenger was refused: ")
    assert champion["value"] == pytest.approx(0.6, abs=0.01)
    pin = Lake(installed.lake).need(Stage.TRAIN, NIGHT).facts["pins"]["churn"]
    assert artifacts.load(pin["uri"], pin["sha256"]).meta.family == "EASE"


def pair(name: str, inputs: list[str], worth: float) -> dict[str, FittedModel]:
    """A baseline worth 0.4 and a challenger of the model ``name``."""
    made = {}
    for role, family, value in (("baseline", "plain", 0.4), ("challenger", "", worth)):
        model = tiny(inputs, len(recorded), family, name)
        recorded[artifacts.digest(model.to_bytes())] = value
        made[role] = FittedModel(model)
    return made


def test_a_companion_is_decided_first_and_judged_with(
    installed: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    companions: dict[str, set[str]] = {"offers": set(), "news": set()}

    def contenders_of(name: str, worth: float) -> Callable[[Any, Any], Contenders]:
        def with_companion(model: artifacts.Model, companion: artifacts.Model | None = None) -> Evaluation:
            if companion is not None:
                companions[name].add(artifacts.digest(companion.to_bytes()))
            return judged(recorded[artifacts.digest(model.to_bytes())] + (0 if companion is None else 0.1))

        def contenders(sets: Any, models: Any) -> Contenders:
            return replace(world.contenders(sets, models), **pair(name, INPUTS, worth), evaluate=with_companion)

        return contenders

    offers = declared("offers", contenders_of("offers", 0.3), served_with="news")
    declare(monkeypatch, offers, declared("news", contenders_of("news", 0.5)))
    publish_clean(installed, NIGHT)
    serving = train_models.run(installed, NIGHT).facts["pins"]
    assert companions == {"offers": {serving["news"]["sha256"]}, "news": set()}
    assert serving["news"]["value"] == pytest.approx(0.5, abs=0.01)
    rows = [row for row in Lake(installed.lake).arrow("models/model_comparison", NIGHT).to_pylist()
            if row["name"] == "offers"]  # fmt: skip
    assert {row["method"]: round(row["value"], 1) for row in rows} == {
        "logistic regression + news (challenger)": 0.4, "logistic regression (challenger)": 0.3,
        "plain + news": 0.5, "plain": 0.4,
    }  # fmt: skip
    # the baseline stands in, and is told of with what it serves
    assert serving["offers"]["baseline"] == "plain + news"
    assert serving["offers"]["value"] == pytest.approx(0.5, abs=0.01)
    refused = next(
        row for row in versions(installed, NIGHT) if row["name"] == "offers" and row["standing"] == "challenger"
    )
    assert "does not beat plain + news by -0.1" in refused["decision"]
    params = MlflowClient(installed.mlflow).get_run(refused["run_id"]).data.params
    assert params["judged_beside"] == f"news:{serving['news']['sha256'][:12]}"


def test_a_model_of_other_features_is_no_companion(
    installed: Settings, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The standing one reads what this night's rows do not have: the other is judged by its own lists, and trained."""

    def contenders_of(name: str, inputs: list[str]) -> Callable[[Any, Any], Contenders]:
        def judge_alone(model: artifacts.Model, *companion: artifacts.Model) -> Evaluation:
            assert not companion
            return judge(model)

        def contenders(sets: Any, models: Any) -> Contenders:
            return replace(world.contenders(sets, models), **pair(name, inputs, 0.5), evaluate=judge_alone)

        return contenders

    offers = declared("offers", contenders_of("offers", INPUTS), served_with="news")
    declare(monkeypatch, offers, declared("news", contenders_of("news", ["gone"]), inputs=("gone",)))
    publish_clean(installed, NIGHT)
    serving = train_models.run(installed, NIGHT).facts["pins"]
    assert {name: pin["standing"] for name, pin in serving.items()} == {"offers": "champion", "news": "champion"}
    assert "offers is judged alone: news beside it takes ['gone']" in caplog.text


def test_a_baseline_that_serves_makes_way_for_a_better_one(installed: Settings, world: World) -> None:
    """It was never promoted by an interval, so none protects it: the better mean on the newest window serves."""
    world.value, world.rivals = 0.3, {"EASE": 0.35}
    publish_clean(installed, NIGHT)
    assert train_models.run(installed, NIGHT).facts["pins"]["churn"]["kind"] == "plain"
    week = NIGHT + timedelta(days=7)
    publish_clean(installed, week)
    world.rivals = {"EASE": 0.401}
    pin = train_models.run(installed, week, retrain=True).facts["pins"]["churn"]
    assert (pin["kind"], pin["trained_through"]) == ("EASE", str(week))
    assert train_models.run(installed, NIGHT).facts["pins"]["churn"]["kind"] == "plain"


def test_no_baseline_replaces_a_champion_that_was_trained(installed: Settings, world: World) -> None:
    publish_clean(installed, NIGHT)
    champion = train_models.run(installed, NIGHT).facts["pins"]["churn"]["sha256"]
    week = NIGHT + timedelta(days=7)
    publish_clean(installed, week)
    world.value, world.rivals = 0.3, {"EASE": 0.9}
    assert train_models.run(installed, week, retrain=True).facts["pins"]["churn"]["sha256"] == champion


def test_a_loser_stays_challenger_and_the_baseline_serves(installed: Settings, world: World) -> None:
    world.value = 0.3
    publish_clean(installed, NIGHT)
    manifest = train_models.run(installed, NIGHT)
    assert pins(manifest) == {"churn": "champion", "churn:challenger": "challenger"}
    assert manifest.facts["pins"]["churn"]["kind"] == "plain"
    by_standing = {row["standing"]: row for row in versions(installed, NIGHT)}
    assert by_standing["champion"]["decision"].startswith("promoted: plain, the best baseline; ")
    assert by_standing["champion"]["value"] == by_standing["challenger"]["baseline_value"]
    assert by_standing["challenger"]["decision"].startswith("refused: does not beat plain by -0.1")


def test_a_second_run_and_later_nights_train_nothing(installed: Settings, world: World) -> None:
    publish_clean(installed, NIGHT)
    first = train_models.run(installed, NIGHT)
    assert train_models.run(installed, NIGHT).version == first.version
    later = NIGHT + timedelta(days=1)
    publish_clean(installed, later)
    second = train_models.run(installed, later)
    assert world.trained == 1
    assert second.facts["pins"]["churn"]["sha256"] == first.facts["pins"]["churn"]["sha256"]
    assert train_models.run(installed, NIGHT, force=True).facts["pins"] == first.facts["pins"]


def test_a_backfilled_night_trains_its_own_champion(installed: Settings, world: World) -> None:
    publish_clean(installed, NIGHT)
    newest = train_models.run(installed, NIGHT).facts["pins"]["churn"]["sha256"]
    earlier = NIGHT - timedelta(days=7)
    publish_clean(installed, earlier)
    result = train_models.run(installed, earlier).facts["pins"]["churn"]
    assert result["trained_through"] == str(earlier)
    assert result["sha256"] != newest
    assert train_models.run(installed, NIGHT, force=True).facts["pins"]["churn"]["sha256"] == newest


def test_retraining_promotes_only_what_beats_the_champion(installed: Settings, world: World) -> None:
    publish_clean(installed, NIGHT)
    champion = train_models.run(installed, NIGHT).facts["pins"]["churn"]["sha256"]
    week = NIGHT + timedelta(days=7)
    publish_clean(installed, week)
    world.value = 0.45  # beats the baseline, not the champion
    manifest = train_models.run(installed, week, retrain=True)
    assert manifest.facts["pins"]["churn"]["sha256"] == champion
    challenger = next(row for row in versions(installed, week) if row["standing"] == "challenger")
    assert "refused: does not beat the champion by -0.05" in challenger["decision"]
    world.value = 0.6
    manifest = train_models.run(installed, week, retrain=True)
    assert manifest.facts["pins"]["churn"]["sha256"] != champion
    assert manifest.facts["pins"]["churn"]["trained_through"] == str(week)
    # and the night before it keeps what it had
    assert train_models.run(installed, NIGHT).facts["pins"]["churn"]["sha256"] == champion


def test_a_weekly_model_is_trained_by_the_weekly_training_alone(
    installed: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(monkeypatch, declared("churn", world.contenders, weekly=True))
    publish_clean(installed, NIGHT)
    manifest = train_models.run(installed, NIGHT)
    assert (world.trained, manifest.facts["pins"]) == (0, {})
    assert manifest.facts["skipped"] == {"churn": WEEKLY}
    assert pins(train_models.run(installed, NIGHT, retrain=True)) == {"churn": "champion"}
    assert world.trained == 1


def test_the_weekly_training_compares_architectures_and_keeps_each_as_a_run(
    installed: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("configured", "wide")
    table = pd.DataFrame({"architecture": names, "gain_low": [0.0, 0.05], "discovery_gain": [np.nan, 0.1]})
    table["chosen"] = table["architecture"] == "wide"
    fits = {name: FirstFit(world.made(9, name, 0.1).model, {"loss": [0.5, 0.25]}, None) for name in names}
    configs = {name: CharacteristicsConfig((len(name),)) for name in names}

    def studied(sets: Any, models: Any) -> Any:
        return replace(world.contenders(sets, models), study=Study(configs, fits, table))

    declare(monkeypatch, declared("churn", world.contenders, weekly_contenders=studied))
    publish_clean(installed, NIGHT)
    train_models.run(installed, NIGHT)
    store = open_registry(installed)
    search = store.client.search_runs
    assert search([store.experiment], "tags.architecture = 'wide'") == []
    kept = train_models.run(installed, NIGHT, retrain=True).facts["architectures"]
    assert kept["on"] == str(NIGHT)
    assert [row["discovery_gain"] for row in kept["rows"]] == [None, 0.1]
    later = NIGHT + timedelta(days=1)
    publish_clean(installed, later)
    assert train_models.run(installed, later).facts["architectures"] == kept
    (run,) = search([store.experiment], "tags.architecture = 'wide'")
    assert (run.data.params["hidden"], run.data.metrics["gain_low"]) == ("(4,)", 0.05)
    assert [match.value for match in store.client.get_metric_history(run.info.run_id, "loss")] == [0.5, 0.25]
    whole = store.client.get_run(run.data.tags["mlflow.parentRunId"])
    assert whole.data.params["architecture"] == "wide"
    logged = store.table(whole.info.run_id, "architectures")
    assert logged is not None
    assert logged["architecture"].tolist() == list(names)


def test_another_method_challenges_the_champion_of_a_model_weekly(
    installed: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = declared("churn_network", world.contenders, weekly=True, challenges="churn")
    declare(monkeypatch, declared("churn", world.contenders), other)
    publish_clean(installed, NIGHT)
    first = train_models.run(installed, NIGHT)
    assert (world.trained, pins(first)) == (1, {"churn": "champion"})
    week = NIGHT + timedelta(days=7)
    publish_clean(installed, week)
    world.value = 0.45  # neither beats the champion
    second = train_models.run(installed, week, retrain=True)
    assert world.trained == 3
    assert second.facts["pins"]["churn"]["sha256"] == first.facts["pins"]["churn"]["sha256"]
    assert second.facts["skipped"] == {}


def test_rollback_makes_the_night_pin_the_champion_before(
    installed: Settings, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_clean(installed, NIGHT)
    first = train_models.run(installed, NIGHT).facts["pins"]["churn"]["sha256"]
    world.value = 0.6
    second = train_models.run(installed, NIGHT, retrain=True).facts["pins"]["churn"]["sha256"]
    assert second != first
    assert roll_back.command(installed, argparse.Namespace(model="churn")) == 0
    assert "serves again" in capsys.readouterr().out
    assert train_models.run(installed, NIGHT).facts["pins"]["churn"]["sha256"] == first
    assert world.trained == 2
    with pytest.raises(DataError, match="none to go back to"):
        roll_back.command(installed, argparse.Namespace(model="churn"))
    with pytest.raises(ConfigError, match="unknown model chrun; have churn"):
        roll_back.command(installed, argparse.Namespace(model="chrun"))
    asked = installed.model_copy(update={"propensities": load().propensities})
    assert registry.served_names(asked.propensities)[:2] == ["churn", "propensity_buys_natural_food"]
    with pytest.raises(DataError, match="none to go back to"):
        roll_back.command(asked, argparse.Namespace(model="propensity_buys_for_pets"))


def test_what_is_held_serves_only_once_it_is_approved(
    installed: Settings, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_clean(installed, NIGHT)
    first = train_models.run(installed, NIGHT, hold=True)
    assert first.facts["awaiting"] == ["churn"]
    assert (first.facts["pins"]["churn"]["kind"], first.facts["pins"]["churn"]["standing"]) == ("plain", "champion")
    challenger = next(row for row in versions(installed, NIGHT) if row["standing"] == "challenger")
    assert challenger["decision"].startswith("held for approval: beats plain by")
    assert approve.command(installed, argparse.Namespace(models=[])) == 0
    assert "serves from now on" in capsys.readouterr().out
    second = train_models.run(installed, NIGHT)
    assert second.facts["awaiting"] == []
    assert second.facts["pins"]["churn"]["sha256"] == challenger["sha256"]
    (row,) = versions(installed, NIGHT)
    assert row["decision"].startswith("promoted with approval: beats plain by")
    assert approve.command(installed, argparse.Namespace(models=[])) == 0
    with pytest.raises(DataError, match="no version of churn is held"):
        approve.command(installed, argparse.Namespace(models=["churn"]))
    with pytest.raises(ConfigError, match="unknown model chrun"):
        approve.command(installed, argparse.Namespace(models=["chrun"]))


def test_a_refused_model_is_never_held(installed: Settings, world: World) -> None:
    world.value = 0.3
    publish_clean(installed, NIGHT)
    assert train_models.run(installed, NIGHT, hold=True).facts["awaiting"] == []


def test_an_undeclared_input_is_refused(installed: Settings, world: World) -> None:
    world.inputs = [*INPUTS, "left_later"]
    publish_clean(installed, NIGHT)
    train_models.run(installed, NIGHT)
    challenger = next(row for row in versions(installed, NIGHT) if row["standing"] == "challenger")
    assert challenger["decision"] == "refused: it takes inputs that are not declared: ['left_later']"


def test_a_lost_folder_is_fetched_and_a_changed_one_is_refused(installed: Settings, world: World) -> None:
    publish_clean(installed, NIGHT)
    pin = train_models.run(installed, NIGHT).facts["pins"]["churn"]
    shutil.rmtree(pin["uri"])
    again = train_models.run(installed, NIGHT).facts["pins"]["churn"]
    assert artifacts.load(again["uri"], again["sha256"])
    meta = Path(pin["uri"], "meta.json")
    meta.write_text(meta.read_text().replace("recency_days", "recency_dayz", 1))
    world.value = 0.6
    with pytest.raises(DataError, match="is not the one that was registered"):
        train_models.run(installed, NIGHT, retrain=True)  # the champion cannot be compared


def test_a_model_without_its_tables_or_data_is_skipped_with_the_reason(
    installed: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise NotEnoughData("too few rows")

    coupons = declared("coupon_scope", refuse, tables=("offers", "responses"))
    declare(monkeypatch, declared("churn", refuse), coupons)
    publish_clean(installed, NIGHT)
    manifest = train_models.run(installed, NIGHT)
    assert manifest.facts["pins"] == {}
    assert manifest.facts["skipped"] == {
        "churn": "too few rows",
        "coupon_scope": "the source has no offers, responses",
    }
    assert versions(installed, NIGHT) == []
    models = open_registry(installed)
    (attempt,) = models.client.search_runs([models.experiment], "tags.model = 'churn'")
    assert (attempt.info.status, attempt.data.tags["skipped"]) == ("FINISHED", "too few rows")


def test_pins_follow_a_copied_home(installed: Settings, world: World, tmp_path: Path) -> None:
    publish_clean(installed, NIGHT)
    before = train_models.run(installed, NIGHT).facts["pins"]["churn"]["uri"]
    assert before.startswith(installed.home)
    copy = tmp_path / "copy"
    shutil.copytree(installed.home, copy)
    settings = Settings.model_validate_json(installed.model_dump_json().replace(installed.home, str(copy)))
    follow_home(settings)
    after = train_models.run(settings, NIGHT).facts["pins"]["churn"]["uri"]
    assert after == before.replace(installed.home, str(copy))


def test_a_model_without_enough_data_is_tried_again_after_a_week_or_by_retraining(
    installed: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[str] = []

    def refuse(*arguments: Any) -> None:
        attempts.append("once more")
        raise NotEnoughData("too few rows")

    declare(monkeypatch, declared("churn", refuse))
    after = {days: NIGHT + timedelta(days=days) for days in (0, 1, 6, 7)}
    for days, expected in ((0, 1), (1, 1), (6, 1), (7, 2)):
        publish_clean(installed, after[days])
        manifest = train_models.run(installed, after[days])
        assert manifest.facts["skipped"] == {"churn": "too few rows"}
        assert len(attempts) == expected
    train_models.run(installed, after[7], force=True)
    assert len(attempts) == 2
    train_models.run(installed, after[7], retrain=True)
    assert len(attempts) == 3


def test_too_little_history_is_skipped_with_the_reason(installed: Settings, world: World) -> None:
    publish_clean(installed, NIGHT, first=NIGHT - timedelta(days=100))
    manifest = train_models.run(installed, NIGHT)
    assert manifest.facts["skipped"] == {"churn": "too little history: 168 days of orders are needed"}
    assert world.trained == 0


def test_an_unpublished_night_is_told(installed: Settings) -> None:
    with pytest.raises(DataError, match="no published validate"):
        train_models.run(installed, NIGHT)
