"""The product-characteristic network: its baseline, its training, and its prediction without TensorFlow."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.optimize import minimize

from bench.peers.characteristics import by_segment, regressions
from conf.errors import DataError
from conf.settings.schema import Activation, NetworkTraining, PriorRule
from training.characteristics import fit as network_fit
from training.characteristics.architectures import STANDING, changed, study
from training.characteristics.baselines import baseline, popularity
from training.characteristics.columns import LISTS, NUMBERS
from training.characteristics.evaluate import as_first_contacts, judge
from training.characteristics.examples import seen_of, truth_of
from training.characteristics.first_purchases import first_time_log_odds
from training.characteristics.fit import CharacteristicsConfig, Lessons, fit, lessons, thresholds
from training.characteristics.keras_training import Linear, Rows
from training.characteristics.logistic import logistic
from training.characteristics.numpy_network import Encoded, Network, encode, history, standardised
from training.evaluation.fitted import FittedModel
from training.models import artifacts
from training.models.lists import label_matrix
from training.networks.loop import Checkpoint

DICTIONARY = ["beer", "bread", "milk", "tea", "wine"]
RULES = (PriorRule(stage="first contact", characteristic="t.*", log_odds=2.0),)
CONFIG = CharacteristicsConfig((8,), training=NetworkTraining(learning_rate=1e-3, batch=32, epochs=3))


def rows(seed: int, size: int = 200) -> pd.DataFrame:
    """Customers who buy again what they bought often, and now and then what is popular."""
    generator = np.random.default_rng(seed)
    frame = pd.DataFrame(generator.gamma(2, 5, (size, len(NUMBERS))), columns=list(NUMBERS))
    frame.loc[::5, "interval_days"] = np.nan
    frame["customer_id"] = [f"c{number:03}" for number in range(size)]
    frame["top_department"] = generator.choice(["GROCERY", "DRUG", None], size)
    frame["stage"] = np.where(np.arange(size) % 4 == 0, "first contact", "sale")
    for name in ("age_band", "income_band", "household_size"):
        frame[name] = None
    for name in ("industry", "size_band", "region"):
        frame[f"organization_{name}"] = None
    baskets = generator.poisson([0.2, 3, 2, 0.5, 0.3], (size, 5))
    total = baskets + generator.poisson(1, (size, 5)) * (baskets > 0)
    popular = np.array([0.02, 0.3, 0.2, 0.05, 0.03])
    bought = generator.random((size, 5)) < (baskets + popular) / (1 + baskets + popular)
    names = np.array(DICTIONARY, dtype=object)
    frame[LISTS[0]] = [names[row > 0] if (row > 0).any() else None for row in total]
    frame[LISTS[1]] = [b[t > 0] if (t > 0).any() else None for b, t in zip(baskets, total, strict=True)]
    frame[LISTS[2]] = [t[t > 0] if (t > 0).any() else None for t in total]
    frame["bought"] = [names[row] if row.any() else None for row in bought]
    return frame


@pytest.fixture(scope="module")
def start() -> FittedModel:
    return baseline(rows(1), rows(2), DICTIONARY, 1)


@pytest.fixture(scope="module")
def given(start: FittedModel) -> Lessons:
    return lessons(rows(1), rows(2), DICTIONARY, start, 1)


@pytest.fixture(scope="module")
def fitted(given: Lessons) -> FittedModel:
    return fit(given, CONFIG)


def trained_by(**changes: Any) -> CharacteristicsConfig:
    return replace(CONFIG, training=CONFIG.training.model_copy(update=changes))


def test_lists_become_a_matrix() -> None:
    types = pd.Series([["milk", "gin", "beer"], None, [], ["tea"]])
    values = pd.Series([[3, 9, 1], None, [], [2.0]])
    result = label_matrix(types, values, pd.Index(DICTIONARY))
    assert result.toarray().tolist() == [[1, 0, 3, 0, 0], [0] * 5, [0] * 5, [0, 0, 0, 2, 0]]
    assert label_matrix(types, None, pd.Index(DICTIONARY)).sum() == 3


def test_the_baseline_ranks_by_frequency_first(start: FittedModel) -> None:
    network = Network.of(start.model)
    assert not network.kernel[:, [0, 1, 3]].any()  # one slope, on 2 x recent + ever
    assert len(set(network.kernel[:, 2])) == 1
    assert network.kernel[0, 2] > 0
    frame = rows(3, 1)
    frame[list(LISTS)] = pd.DataFrame(
        {LISTS[0]: [["bread", "tea"]], LISTS[1]: [[1.0, 9.0]], LISTS[2]: [[1.0, 9.0]]}, index=frame.index
    )
    probability = start.model.predict(frame)[0]
    assert probability.argmax() == DICTIONARY.index("tea")
    nothing = start.model.predict(frame.assign(**{name: None for name in LISTS}))[0]
    assert DICTIONARY[nothing.argmax()] == "bread"  # no history: the most popular


def test_the_network_keeps_the_epoch_that_ranks_best(fitted: FittedModel) -> None:
    assert len(fitted.curves["loss"]) == len(fitted.curves["score"]) <= CONFIG.training.epochs
    assert fitted.curves["loss"][-1] < fitted.curves["loss"][0]


def test_popularity_knows_the_newest_window_alone() -> None:
    """3 of 4 customers bought milk, 1 tea: the same for all, whatever they had before."""
    frame = rows(1, 4).assign(bought=[["milk", "tea"], ["milk"], ["milk"], None])
    probability = popularity(frame, DICTIONARY).model.predict(rows(2, 3))
    assert probability == pytest.approx(np.tile(np.array([1, 1, 4, 2, 1]) / [6, 6, 6, 6, 6], (3, 1)))


def test_untrained_it_ranks_first_purchases_by_their_popularity_and_repeats_by_the_regressions(
    given: Lessons,
) -> None:
    still = fit(given, trained_by(learning_rate=1e-12)).model
    network, frame = Network.of(still), rows(3)
    owned = label_matrix(frame[LISTS[0]], None, pd.Index(DICTIONARY)).toarray() > 0
    odds, begun = (np.log(p / (1 - p)) for p in (still.predict(frame), regressions(given).model.predict(frame)))
    assert odds[owned] == pytest.approx(begun[owned], abs=1e-4)
    coded = given.both.coded
    inputs = np.column_stack([standardised(coded.numbers, *network.layers["scaled"][:2]), coded.categories])
    first = network.bias + network.kernel[:, 3] + inputs.mean(axis=0) @ network.layers["wide"][0]
    assert first == pytest.approx(first_time_log_odds(coded.owned, given.both.bought), abs=1e-5)
    own, items = network.layers["first_purchase"][0].ravel()
    score = np.sqrt(np.maximum(owned @ network.layers["items_in"][0] @ network.layers["items_out"][0], 0))
    expected = begun + network.kernel[:, 3] - given.begun_on_both.own[:, 3]
    expected = own * expected + items * score + network.layers["first_purchase"][1]
    assert odds[~owned] == pytest.approx(expected[~owned], abs=1e-4)


def test_a_network_that_knows_no_first_purchases_still_scores(fitted: FittedModel) -> None:
    """Champions of before have three inputs of own history, and no item-to-item model."""
    network = Network.of(fitted.model)
    old = Network.of(artifacts.from_bytes(fitted.model.to_bytes()))
    old.layers = {name: values for name, values in network.layers.items() if not name.startswith(("items", "first"))}
    old.kernel = network.kernel[:, :3]
    frame = rows(6, 50)
    owned = label_matrix(frame[LISTS[0]], None, pd.Index(DICTIONARY)).toarray() > 0
    assert old.predict(frame)[owned] == pytest.approx(network.predict(frame)[owned], abs=1e-6)
    assert np.isfinite(old.predict(frame)).all()


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_prediction_is_that_of_keras(given: Lessons, activation: Activation) -> None:
    fitted = fit(given, replace(trained_by(activation=activation, learning_rate=0.05, epochs=1), hidden=(8, 4)))
    meta, frame = fitted.model.meta, rows(4, 50)
    model = in_keras(fitted)
    coded = encode(frame, meta.extra["numbers"], meta.extra["categories"], meta.outputs)
    assert coded.categories.shape[1] == 4  # of stage and department; columns without any value get no input
    assert {"items_in", "items_out", "first_purchase"} <= {layer.name for layer in model.layers}
    expected = np.asarray(model(coded.batch(slice(None)), training=False))
    assert np.abs(fitted.model.predict(frame) - expected).max() < 1e-5


def in_keras(fitted: FittedModel) -> Any:
    import keras

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        path.write_bytes(fitted.model.to_bytes()["model.keras"])
        return keras.saving.load_model(path)


def test_a_file_that_names_no_activation_is_read_as_before(fitted: FittedModel) -> None:
    meta, files = fitted.model.meta, fitted.model.to_bytes()
    assert meta.extra["activation"] == "relu"
    extra = {name: value for name, value in meta.extra.items() if name != "activation"}
    old = artifacts.from_bytes({**files, artifacts.META: replace(meta, extra=extra).to_json().encode()})
    assert old.predict(rows(4)).tobytes() == fitted.model.predict(rows(4)).tobytes()


def test_without_hidden_layers_and_items_it_is_the_regressions(given: Lessons) -> None:
    network = Network.of(fit(given, replace(CONFIG, hidden=(), items=False)).model)
    assert sorted(network.layers) == ["own_history", "scaled", "wide"]
    assert network.kernel[:, :3] == pytest.approx(given.begun_on_both.own[:, :3])
    assert network.layers["wide"][0] == pytest.approx(given.begun_on_both.wide, abs=1e-6)


def test_regressions_reach_what_a_slow_search_reaches(given: Lessons, start: FittedModel) -> None:
    """Of one characteristic, by a general optimiser from nothing: the loss is convex, there is one least."""
    coded, place = given.past.coded, DICTIONARY.index("bread")
    frequency = Network.of(start.model)
    result = given.begun
    scaled = standardised(coded.numbers, result.mean, result.variance)
    own = np.stack([part[:, place] for part in history(coded.recent.toarray(), coded.total.toarray())], axis=1)
    x = np.column_stack([np.ones(len(scaled)), scaled, coded.categories, own])
    held = 1000.0 * np.concatenate([[1e-7], np.ones(x.shape[1] - 5), own.var(axis=0) + 1e-4])
    centre = np.concatenate([np.zeros(x.shape[1] - 4), frequency.kernel[place]])
    label = given.past.bought.toarray()[:, place]

    def loss(weights: np.ndarray) -> float:
        odds = x @ weights
        return float((np.logaddexp(0, odds) - label * odds).sum() + 0.5 * (held * (weights - centre) ** 2).sum())

    reached = np.concatenate([[result.bias[place]], result.wide[:, place], result.own[place]])
    least = minimize(loss, reached, method="BFGS", options={"maxiter": 300})
    begun = np.concatenate([[frequency.bias[place]], np.zeros(x.shape[1] - 5), frequency.kernel[place]])
    assert loss(begun) - least.fun > 1
    assert loss(reached) - least.fun < 0.01 * (loss(begun) - least.fun)


def test_regressions_of_customers_who_buy_alike_stay_with_personal_frequency() -> None:
    """Inputs that say nothing get no weight, and an input that says all gets much."""
    rng = np.random.default_rng(0)
    happened = rng.random((4000, 2)) < 0.5
    numbers = np.column_stack([happened[:, 0] + 0.1 * rng.normal(size=4000), rng.normal(size=4000)]).astype("float32")
    nothing = sparse.csr_matrix((4000, 2), dtype="float32")
    bought = sparse.csr_matrix(happened.astype("float32"))
    rows_of = Rows(Encoded(numbers, np.zeros((4000, 0), dtype="float32"), nothing, nothing), bought)
    result = logistic(rows_of, Linear(np.zeros((2, 4)), np.zeros(2)), 1)
    assert result.wide[0, 0] > 0.5
    assert np.abs(result.wide[[0, 1, 1], [1, 0, 1]]).max() < 0.05


def test_segments_tell_what_their_members_bought() -> None:
    """Two sorts of customers far apart, of whom one buys tea, the other wine; the other names are bought by nobody."""
    frame = rows(1, 40)
    heavy = np.arange(40) % 2 == 0
    frame = frame.assign(spend_84=np.where(heavy, 9000.0, 1.0), baskets_84=np.where(heavy, 80.0, 1.0))
    frame["bought"] = [["tea"] if row else ["wine"] for row in heavy]
    shares = by_segment(frame, frame, DICTIONARY, 1)
    tea, wine = DICTIONARY.index("tea"), DICTIONARY.index("wine")
    assert (shares[heavy, tea] > shares[heavy, wine]).all()
    assert (shares[~heavy, tea] < shares[~heavy, wine]).all()
    assert shares.sum(axis=1) == pytest.approx(np.ones(40))
    assert by_segment(frame.head(3), frame, DICTIONARY, 1).shape == (40, 5)


def test_a_study_keeps_the_configured_architecture_unless_another_is_beyond_it(given: Lessons) -> None:
    harmless = {"no hidden layer": {"hidden": ()}, "tanh": {"activation": "tanh", "learning_rate": 1e-12}}
    result = study(given, trained_by(learning_rate=1e-12), 200, changes=harmless)
    assert result.chosen == STANDING
    assert result.table["architecture"].tolist() == [STANDING, "no hidden layer", "tanh"]
    assert result.table["gain"].tolist() == pytest.approx([0, 0, 0])
    own = result.table.iloc[0]
    judged = judge(result.fits[STANDING].model, given.validation, DICTIONARY)
    assert own["ndcg_all"] == pytest.approx(judged.by_customer.mean())
    assert own["ndcg_discoveries"] == pytest.approx(judged.metrics["ndcg_at_5_discovery"])


def test_a_study_chooses_what_ranks_clearly_better(given: Lessons) -> None:
    """The configured network is spoilt by a rate at which nothing is learnt but noise."""
    spoilt = trained_by(learning_rate=5.0, epochs=1)
    result = study(given, spoilt, 200, changes={"calm": {"learning_rate": 1e-3}})
    assert result.chosen == "calm"
    assert result.table["gain_low"].iloc[1] > 0
    assert result.configs["calm"] == changed(spoilt, {"learning_rate": 1e-3})
    assert result.configs["calm"].hidden == CONFIG.hidden


def test_the_same_data_and_seed_give_the_same_files(start: FittedModel, fitted: FittedModel) -> None:
    again = fit(lessons(rows(1), rows(2), DICTIONARY, start, 1), CONFIG)
    assert artifacts.digest(again.model.to_bytes()) == artifacts.digest(fitted.model.to_bytes())


@pytest.mark.parametrize("epochs", [2, 4])
def test_a_killed_training_goes_on_to_the_same_files(
    given: Lessons, fitted: FittedModel, tmp_path: Path, killed_after: Callable[..., None], epochs: int
) -> None:
    """Three epochs are run, then as many as were best: the second kill is in the last fit."""
    checkpoint = Checkpoint(tmp_path, "it", "")
    with pytest.raises(KeyboardInterrupt):
        killed_after(epochs, lambda: fit(given, CONFIG, checkpoint))
    left = [file.stem for file in tmp_path.iterdir()]
    assert left == (["it"] if epochs == 2 else ["it-last"])
    resumed = fit(given, CONFIG, checkpoint)
    assert artifacts.digest(resumed.model.to_bytes()) == artifacts.digest(fitted.model.to_bytes())
    assert resumed.curves["loss"] == fitted.curves["loss"]
    assert not list(tmp_path.iterdir())


def test_the_state_of_another_training_has_another_key(
    given: Lessons, start: FittedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Seen(Exception):
        pass

    keys: list[str] = []

    def trained(*given: Any) -> None:
        keys.append(given[-1].key)
        raise Seen

    monkeypatch.setattr(network_fit, "trained", trained)
    later = rows(2)
    later.at[0, "bought"] = ["gin"]  # no characteristic, yet what a ranking is judged by
    other = baseline(rows(3), rows(2), DICTIONARY, 1)
    tries = [
        (given, CONFIG), (given, CONFIG), (lessons(rows(3), rows(2), DICTIONARY, start, 1), CONFIG),
        (lessons(rows(1), later, DICTIONARY, start, 1), CONFIG), (given, trained_by(loss="focal")),
        (lessons(rows(1), rows(2), DICTIONARY, other, 1), CONFIG), (given, replace(CONFIG, dropout=0.1)),
    ]  # fmt: skip
    for arguments in tries:
        with pytest.raises(Seen):
            fit(*arguments, Checkpoint(tmp_path, "it", ""))
    assert keys[0] == keys[1]
    assert len(set(keys)) == len(keys) - 1


def test_it_learns_by_the_configured_loss_and_optimiser(given: Lessons, fitted: FittedModel) -> None:
    network = NetworkTraining(loss="focal", optimizer="rmsprop", activation="tanh")
    config = CONFIG.configured(network, 3, CONFIG.training.seed)
    result = fit(given, config)
    assert result.curves["loss"][-1] < result.curves["loss"][0] != fitted.curves["loss"][0]
    actual = result.params
    assert (actual["loss"], actual["optimizer"], actual["activation"], actual["batch"]) == (
        "focal",
        "rmsprop",
        "tanh",
        32,
    )


def test_unknown_values_cold_customers_and_no_rows_are_scored(fitted: FittedModel) -> None:
    cold = rows(5, 3)
    cold[list(NUMBERS)] = np.nan
    cold[list(LISTS)] = None
    cold["top_department"] = "NEW"
    cold["stage"] = "NEW"
    probability = fitted.model.predict(cold)
    assert probability.shape == (3, 5)
    assert np.isfinite(probability).all()
    assert np.ptp(probability, axis=0) == pytest.approx(np.zeros(5))
    assert fitted.model.predict(cold.head(0)).shape == (0, 5)


def test_a_missing_column_is_named(fitted: FittedModel) -> None:
    with pytest.raises(DataError, match=r"missing input column\(s\) \['types'\]"):
        fitted.model.predict(rows(5, 3).drop(columns="types"))
    with pytest.raises(ValueError, match="no exact contributions"):
        fitted.model.contributions(rows(5, 3))


@pytest.mark.parametrize("outputs", [DICTIONARY[:-1], [*DICTIONARY, "gin"], [*DICTIONARY[:-1], "milk"]])
def test_a_dictionary_that_does_not_fit_the_weights_is_refused(start: FittedModel, outputs: list[str]) -> None:
    files, meta = start.model.to_bytes(), start.model.meta
    changed = artifacts.Meta(**{**meta.__dict__, "outputs": tuple(outputs)})
    with pytest.raises(DataError, match="its characteristics do not match"):
        artifacts.from_bytes({**files, "meta.json": changed.to_json().encode()})


def test_thresholds_by_hand() -> None:
    probability = np.array([[0.9, 0.3, 0.01], [0.8, 0.2, 0.01], [0.7, 0.1, 0.01], [0.1, 0.05, 0.01]])
    happened = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0]])
    # first: 1 of 1 -> F1 2/3, 2 of 3 -> 4/5; second: 0, 1 of 2 -> 2/3; third: nobody bought it
    assert thresholds(probability, happened, 0.05).tolist() == [0.7, 0.2, 0.05]
    assert thresholds(probability, happened, 0.25).tolist() == [0.7, 0.25, 0.25]


def test_truth_and_seen() -> None:
    frame = pd.DataFrame({"customer_id": ["a", "b"], "bought": [["milk", "tea"], None], "types": [["beer"], ["milk"]]})
    assert truth_of(frame).to_numpy().tolist() == [["a", "milk"], ["a", "tea"]]
    assert seen_of(frame).to_numpy().tolist() == [["a", "beer"], ["b", "milk"]]


def test_weights_do_not_need_tensorflow(fitted: FittedModel) -> None:
    import subprocess
    import sys

    with tempfile.TemporaryDirectory() as folder:
        sha256 = artifacts.save(Path(folder, "m"), fitted.model.to_bytes())
        code = (
            "import sys; from training.models.artifacts import load;"
            f"load({str(Path(folder, 'm'))!r}, {sha256!r});"
            "sys.exit(sum(name in sys.modules for name in ('tensorflow', 'keras', 'mlflow', 'pyspark')))"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_prior_of_an_expert_fades_with_the_baskets(given: Lessons, fitted: FittedModel) -> None:
    """After no basket the whole 2, after two the half; other stages and characteristics are left as they are."""
    actual = fit(given, replace(CONFIG, prior=RULES)).model
    frame = rows(3).head(3).assign(stage=["first contact", "first contact", "sale"], baskets_total=[0.0, 2.0, 0.0])
    odds = [np.log(p / (1 - p)) for p in (actual.predict(frame), fitted.model.predict(frame))]
    expected = np.zeros((3, 5))
    expected[:2, DICTIONARY.index("tea")] = 2, 1
    assert odds[0] - odds[1] == pytest.approx(expected, abs=1e-4)
    assert {"stage", "baskets_total"} <= set(actual.meta.inputs)


def test_who_never_bought_anything_is_told_what_most_bought_last(given: Lessons, fitted: FittedModel) -> None:
    """Whatever else is known of them: the network has learnt from buyers alone."""
    actual = fitted.model.predict(rows(3).head(2).assign(baskets_total=[0.0, np.nan]))
    bought = given.valid.bought.toarray()
    expected = (bought.sum(axis=0) + 1) / (len(bought) + 2)
    assert actual == pytest.approx(np.stack([expected, expected]))


def test_a_model_is_judged_by_stage_and_as_if_nobody_were_known(given: Lessons, fitted: FittedModel) -> None:
    actual = fit(given, replace(CONFIG, prior=RULES)).model
    gate = rows(3).assign(baskets_total=9.0)
    judged = judge(actual, gate, DICTIONARY)
    sizes = {name: len(part) for name, part in judged.slices.items()}
    assert sizes["all"] == sizes["first contact"] + sizes["sale"] == len(judged.by_customer)
    plain = judge(fitted.model, gate, DICTIONARY).metrics
    assert judged.metrics["ndcg_at_5_as_first_contact_without_prior"] == plain["ndcg_at_5_as_first_contact"]
    assert judged.metrics["ndcg_at_5_as_first_contact"] < plain["ndcg_at_5_as_first_contact"]  # tea is bought by few
    unknown = fitted.model.predict(as_first_contacts(gate))
    assert np.ptp(unknown, axis=0) == pytest.approx(np.zeros(5))


def test_discoveries_are_judged_by_lists_of_their_own_beside_popularity(fitted: FittedModel) -> None:
    """A frame of two: what is listed is not owned, and popularity is the rival."""
    popular = popularity(rows(2), DICTIONARY).model  # bread, then milk, are bought by most
    gate = rows(3, 2).assign(bought=[["tea"], ["beer", "milk"]])
    everything = [[1.0] * 4, [1.0] * 4]
    owned = [["beer", "bread", "milk", "wine"], ["bread", "milk", "tea", "wine"]]
    gate[list(LISTS)] = pd.DataFrame(dict(zip(LISTS, (owned, everything, everything), strict=True)), index=gate.index)
    judged = judge(fitted.model, gate, DICTIONARY, popular)
    assert judged.metrics["ndcg_at_5_discovery"] == 1.0  # one type is left to each, and it is the right one
    assert judged.metrics["ndcg_at_5_discovery_over_popularity"] == 0.0
    assert judged.slices["repeats"].index.tolist() == ["c001"]
    assert judged.slices["discoveries"].index.tolist() == ["c000", "c001"]
    assert judged.slices["all"]["ndcg"].max() < 1
    assert judged.guards["NDCG of discoveries"].tolist() == [1, 1]
    assert not judge(fitted.model, gate.assign(bought=[["bread"], ["milk"]]), DICTIONARY, popular).guards
