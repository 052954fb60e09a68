from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from conf.errors import ConfigError
from conf.settings.schema import Activation, NetworkTraining
from training.churn import networks as churn_networks, spec as churn_spec
from training.evaluation import amounts
from training.models.artifacts import digest, from_bytes
from training.models.attributions import integrated_gradients
from training.models.logistic import Scaler
from training.networks import convolution, series as networks_series
from training.networks.convolution import ConvolutionNetwork
from training.networks.convolution_fit import ConvolutionConfig
from training.value import evaluate as value_evaluate, networks as value_networks

INPUTS = tuple(f"x{number}" for number in range(10))
SMALL = ConvolutionConfig(convolutions=(4,), hidden=(6,), epochs=3, batch=64)


@pytest.fixture(scope="module")
def network() -> ConvolutionNetwork:
    """Four weeks of two channels among ten inputs, two convolutions, two dense layers, three outputs."""
    rng = np.random.default_rng(3)

    def layer(*shape: int) -> tuple[np.ndarray, np.ndarray]:
        return rng.normal(0, 0.6, shape), rng.normal(0, 0.3, shape[-1])

    scaler = Scaler.of(rng.gamma(2, 3, (50, 10)))
    weeks = np.array([[0, 4], [1, 5], [2, 6], [3, 7]])
    return ConvolutionNetwork(scaler, weeks, (layer(2, 2, 5), layer(2, 5, 4)), (layer(10 + 8, 7), layer(7, 3)))


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(4).gamma(2, 3, (40, 10)), columns=INPUTS)


def test_the_first_convolution_by_hand(network):
    z = np.arange(20.0).reshape(2, 10) / 10
    kernel, bias = network.convolutions[0]
    flow = convolution._convolved(z[:, network.weeks.ravel()].reshape(2, 4, 2), kernel) + bias
    by_hand = z[1, 1] * kernel[0, 0] + z[1, 5] * kernel[0, 1] + z[1, 2] * kernel[1, 0] + z[1, 6] * kernel[1, 1] + bias
    np.testing.assert_allclose(flow[1, 1], by_hand)


@pytest.mark.parametrize("form", ["classifier", "log_normal"])
def test_attributions_are_complete_and_gradients_are_derivatives(network, frame, form):
    calibration = {"calibration": [2.0, 0.3]} if form == "classifier" else {}
    outputs = 1 if form == "classifier" else 3
    kernel, bias = network.dense[-1][0], network.dense[-1][1] + np.array([0, 9, 0])  # nobody is at the least spend
    cut = ConvolutionNetwork(
        network.scaler,
        network.weeks,
        network.convolutions,
        (*network.dense[:-1], (kernel[:, :outputs], bias[:outputs])),
    )
    model = convolution.packed("toy", "network", form, INPUTS, cut, **calibration)
    mean = pd.DataFrame([np.sinh(network.scaler.mean)], columns=list(INPUTS))

    def score(rows: pd.DataFrame) -> np.ndarray:
        p = model.predict(rows)
        return np.log(p / (1 - p)) if form == "classifier" else np.log(p)

    z, step, difference = cut.scaled(frame.to_numpy()), 1e-6, score(frame) - score(mean)
    many = integrated_gradients(lambda row: cut.gradient(row, model.slopes), z, np.zeros(10), steps=500)
    np.testing.assert_allclose(many.sum(axis=1), difference, atol=0.03)
    few = model.contributions(frame)  # kinks of the units cost some exactness
    assert np.abs(few.sum(axis=1) - difference).mean() < 0.02 * np.abs(difference).mean()
    moved = frame.assign(x4=np.sinh((z[:, 4] + step) * cut.scaler.scale[4] + cut.scaler.mean[4]))
    np.testing.assert_allclose((score(moved) - score(frame)) / step, cut.gradient(z, model.slopes)[:, 4], atol=1e-3)


def test_a_network_is_read_back_as_it_was(network, frame):
    model = convolution.packed("toy", "network", "log_normal", INPUTS, network)
    again = from_bytes(model.to_bytes())
    np.testing.assert_array_equal(again.predict(frame), model.predict(frame))
    low, high = again.interval(frame)
    assert (low <= high).all()
    same = convolution.packed("toy", "network", "log_normal", INPUTS, ConvolutionNetwork.of_bytes(network.to_bytes()))
    assert digest(same.to_bytes()) == digest(model.to_bytes())


def test_attributions_of_a_product_by_hand():
    result = integrated_gradients(lambda x: x[:, ::-1], np.array([[2.0, 3.0]]), np.zeros(2))
    np.testing.assert_allclose(result, [[3.0, 3.0]])  # of x y, each takes half


@pytest.fixture(scope="module")
def customers() -> pd.DataFrame:
    rng = np.random.default_rng(6)
    frame = pd.DataFrame(rng.gamma(2, 5, (900, len(churn_spec.INPUTS))), columns=churn_spec.INPUTS)
    frame["recency_days"] = rng.integers(0, 60, 900)
    chance = 1 / (1 + np.exp(-(frame["recency_days"] - 30) / 5))
    frame["left"] = rng.random(900) < chance
    frame["spend_after"] = np.where(frame["left"], 0.0, frame["spend_84"] * rng.lognormal(0, 0.3, 900))
    return frame.assign(customer_id=[f"c{number:03d}" for number in range(900)])


@pytest.mark.parametrize("activation", get_args(Activation))
def test_keras_and_numpy_give_the_same_network(customers, activation):
    from training.networks.convolution_fit import _as_arrays, _built, _scaled

    config = replace(SMALL, activation=activation)
    scaler = Scaler.of(customers[list(churn_spec.INPUTS)].to_numpy())
    place = {name: number for number, name in enumerate(churn_spec.INPUTS)}
    weeks = np.array([[place[name] for name in week] for week in networks_series.SERIES])
    network = _built(len(churn_spec.INPUTS), weeks, 1, config)
    x = _scaled(scaler, customers, churn_spec.INPUTS)
    ours = ConvolutionNetwork.of_bytes(_as_arrays(network, scaler, weeks, activation).to_bytes())
    np.testing.assert_allclose(ours.outputs(x.astype("float64")), np.asarray(network(x)), atol=1e-4)
    z, step = x[:5].astype("float64"), 1e-5
    for column in (place["visits_week_3"], place["recency_days"]):
        moved = z.copy()
        moved[:, column] += step
        slope = (ours.outputs(moved) - ours.outputs(z))[:, 0] / step
        np.testing.assert_allclose(ours.gradient(z, np.ones_like)[:, column], slope, atol=1e-6)


def test_networks_learn_who_leaves_and_how_much_is_spent(customers, monkeypatch):
    train, validation = customers[:600], customers[600:]
    monkeypatch.setattr(
        value_networks, "LOG_NORMAL", ConvolutionConfig(hidden=(16,), epochs=20, batch=64, learning_rate=0.01)
    )
    first, last = churn_networks.classifier(
        "network",
        (train, validation, customers),
        churn_spec.INPUTS,
        "left",
        ConvolutionConfig(hidden=(8,), epochs=15, batch=64, learning_rate=0.01),
    )
    p = first.model.predict(validation)
    assert p[validation["left"]].mean() > p[~validation["left"]].mean() + 0.2
    assert last.model.to_bytes() != first.model.to_bytes()
    assert {len(first.curves[name]) for name in ("loss", "score", "seconds", "memory_mb")} == {
        len(first.curves["loss"])
    }
    assert max(first.curves["score"]) > first.curves["score"][0]
    spend = value_networks.fit_network(train, 12, inputs=["spend_84", "recency_days"]).model
    judged = value_evaluate.evaluate(spend, validation)
    flat = amounts.deviances(validation["spend_after"], np.full(300, train["spend_after"].mean())).mean()
    assert judged.metrics["deviance"] < flat
    assert judged.metrics["coverage"] > 0.6


def test_the_parts_of_a_network_are_those_of_the_configuration(customers):
    network = NetworkTraining(loss="focal", optimizer="adagrad", activation="tanh")
    config = ConvolutionConfig(hidden=(4,), epochs=1, batch=64).configured(network)
    result, _ = churn_networks.classifier("network", (customers,) * 3, churn_spec.INPUTS, "left", config)
    assert (result.params["loss"], result.params["optimizer"]) == ("focal", "adagrad")
    assert result.model.network.activation == "tanh"
    with pytest.raises(ConfigError, match=r"focal does not fit the value network.*allowed: binary_crossentropy"):
        value_networks.fit_network(customers, 12, network)
