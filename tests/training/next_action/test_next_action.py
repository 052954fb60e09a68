"""The next action: cutting series by hand, the chain by counting, what the network sees beyond it."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conf.errors import DataError
from conf.settings.schema import Loss, NetworkTraining
from training.evaluation.fitted import FittedModel
from training.models import artifacts
from training.networks.loop import Checkpoint
from training.next_action import fit as next_action_fit
from training.next_action.evaluate import baselines
from training.next_action.fit import NextActionConfig, fit
from training.next_action.inputs import NOTHING, OTHER, day_class, labels, visits_of, windows

CONFIG = NextActionConfig(
    visits=6, size=8, units=8, least=0.01, training=NetworkTraining(batch=64, epochs=15, learning_rate=0.02)
)


def series(seed: int, size: int = 300) -> pd.DataFrame:
    """Every third visit is for meat, whatever the two before it were; a visit every four days."""
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(size):
        phase, visits = number % 3, 20
        kinds = ["meat" if (place + phase) % 3 == 0 else str(generator.choice(["bread", "milk"]))
                 for place in range(visits)]  # fmt: skip
        rows.append((f"c{number}", kinds[::-1], [4 * back + number % 4 for back in range(visits)]))
    return pd.DataFrame(rows, columns=["customer_id", "actions", "days_ago"])


@pytest.fixture(scope="module")
def bank() -> list[FittedModel]:
    return baselines(windows(series(1), 8, 28), CONFIG)


@pytest.fixture(scope="module")
def chain(bank: list[FittedModel]) -> FittedModel:
    return bank[0]


@pytest.fixture(scope="module")
def network(chain: FittedModel) -> FittedModel:
    return fit(windows(series(1), 8, 28), windows(series(2), 8, 28), chain, CONFIG)


def test_series_are_cut_by_hand() -> None:
    whole = pd.DataFrame(
        {
            "customer_id": ["a", "b", "c", "d"],
            "actions": [["tea", "milk", "beer"], ["milk"], ["tea"], None],
            "days_ago": [[1, 10, 20], [40], [2], None],
        }
    )
    result = windows(whole, 10, 28)
    assert result["customer_id"].tolist() == ["a", "b"]
    assert [list(one) for one in result["actions"]] == [["milk", "beer"], ["milk"]]
    assert [list(one) for one in result["days_ago"]] == [[0, 10], [30]]
    assert result[["next", "days"]].to_numpy().tolist() == [["tea", 9], [NOTHING, 0]]
    assert windows(whole, 10, 8)["next"].tolist() == [NOTHING, NOTHING]
    assert len(windows(whole.tail(1), 10, 28)) == 0


def test_visits_become_numbers() -> None:
    frame = pd.DataFrame({"actions": [["tea", "gin"], None], "days_ago": [[5, 12], None]})
    result = visits_of(frame, ["milk", "tea", OTHER], np.array([0.25] * 4), 3)
    assert result.action.tolist() == [[0, 3, 2], [0, 0, 0]]
    assert result.gap.tolist() == [[0, 4, 3], [0, 0, 0]]  # 7 days from gin to tea, 5 since
    third = 5 / 3  # five visits' worth of everybody's shares; a quarter is left for no purchase
    expected = [0.75 * third / 7, 0.75 * (1 + third) / 7, 0.75 * (1 + third) / 7, 0.25]
    assert np.exp(result.share[0]) == pytest.approx(expected)
    assert np.exp(result.share[1]) == pytest.approx([0.25] * 4)
    with pytest.raises(DataError, match="days_ago"):
        visits_of(frame[["actions"]], ["tea"], np.ones(2), 3)


def test_the_network_sees_what_the_chain_cannot(chain: FittedModel, network: FittedModel) -> None:
    rows = windows(series(3), 8, 28)
    truth = labels(rows, list(chain.model.meta.outputs[:-1]))
    hits = {name: (model.model.predict(rows).argmax(axis=1) == truth).mean()
            for name, model in (("chain", chain), ("network", network))}  # fmt: skip
    assert hits["network"] > hits["chain"] + 0.1
    probability, days = network.model.forecast(rows)  # type: ignore[attr-defined]
    assert probability.sum(axis=1) == pytest.approx(1)
    assert days.min() >= 1
    assert days.max() < 8  # a visit every four days


def test_numpy_predicts_what_keras_predicts(network: FittedModel) -> None:
    import keras

    files = network.model.to_bytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        path.write_bytes(files["model.keras"])
        stored = keras.saving.load_model(path, compile=False)
    rows, meta = windows(series(4), 8, 28), network.model.meta
    coded = visits_of(rows, meta.outputs[:-1], np.asarray(meta.extra["base"]), 6)
    odds = np.asarray(stored(coded.batch(slice(None))))[:, : len(meta.outputs)].astype("float64")
    expected = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    assert np.allclose(artifacts.from_bytes(files).predict(rows), expected, atol=1e-6)


def test_two_fits_give_the_same_bytes(chain: FittedModel, network: FittedModel) -> None:
    again = fit(
        windows(series(1), 8, 28), windows(series(2), 8, 28), baselines(windows(series(1), 8, 28), CONFIG)[0], CONFIG
    )
    assert artifacts.digest(again.model.to_bytes()) == artifacts.digest(network.model.to_bytes())


def test_every_baseline_is_a_model_that_can_serve(bank: list[FittedModel]) -> None:
    assert [one.model.meta.family for one in bank] == ["Markov chain", "own shares", "shares of all"]
    rows = windows(series(3), 8, 28)
    _, own, everybody = (artifacts.from_bytes(one.model.to_bytes()) for one in bank)
    base, recorded = np.asarray(own.meta.extra["base"]), own.meta.outputs[:-1]
    assert own.predict(rows) == pytest.approx(np.exp(visits_of(rows, recorded, base, 6).share), abs=1e-6)
    assert everybody.predict(rows) == pytest.approx(np.tile(base, (len(rows), 1)), abs=1e-6)


def test_a_customer_without_a_visit_gets_the_shares_of_all(chain: FittedModel) -> None:
    frame = pd.DataFrame({"actions": [None], "days_ago": [None]})
    assert chain.model.predict(frame)[0].argmax() != len(chain.model.meta.outputs) - 1
    assert len(chain.model.predict(frame.head(0))) == 0
    assert day_class(np.array([0, 1, 7, 8, 10, 21, 28])).tolist() == [0, 0, 6, 7, 7, 9, 10]


def test_whatever_it_reads_is_in_the_key_of_its_state(
    chain: FittedModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keys: list[str] = []

    class Seen(Exception):
        pass

    def train(*given: object) -> None:
        keys.append(given[-1].key)  # type: ignore[attr-defined]
        raise Seen

    monkeypatch.setattr(next_action_fit, "train", train)
    rows, held = windows(series(1), 8, 28), windows(series(2), 8, 28)
    later = rows.assign(days_ago=[[7 * age for age in ages] for ages in rows["days_ago"]])
    other = baselines(windows(series(3), 8, 28), CONFIG)[0]
    tries = [
        (rows, held, chain, CONFIG), (rows, held, chain, CONFIG), (later, held, chain, CONFIG),
        (rows.assign(days=rows["days"] + 5), held, chain, CONFIG), (rows, later, chain, CONFIG),
        (rows, held.assign(next="milk"), chain, CONFIG), (rows, held, other, CONFIG),
        (rows, held, chain, replace(CONFIG, dropout=0.3)),
    ]  # fmt: skip
    for given in tries:
        with pytest.raises(Seen):
            fit(*given, Checkpoint(tmp_path, "it", ""))
    assert keys[0] == keys[1]
    assert len(set(keys)) == len(keys) - 1


@pytest.mark.parametrize("loss", ["mean_squared_error", "focal"])
def test_it_learns_by_every_loss(chain: FittedModel, loss: Loss) -> None:
    training = CONFIG.training.model_copy(update={"loss": loss, "epochs": 3})
    result = fit(windows(series(1), 8, 28), windows(series(2), 8, 28), chain, replace(CONFIG, training=training))
    usual = fit(windows(series(1), 8, 28), windows(series(2), 8, 28), chain,
                replace(CONFIG, training=CONFIG.training.model_copy(update={"epochs": 3})))  # fmt: skip
    assert result.curves["loss"][-1] < result.curves["loss"][0] != usual.curves["loss"][0]
    assert result.params["loss"] == loss
