"""The product-characteristic network: which product types a customer buys in the days after ``as_of``.

A fully connected network with one sigmoid per characteristic. It begins as a logistic regression for each, and for what
a customer never bought as the popularity of first purchases; hidden layers learn what profile, organisation and the
rest of the history add to that, and last what else the customer owns
(:mod:`training.characteristics.numpy_network`).
n = customers, l = characteristics.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from conf.settings.schema import NetworkTraining, PriorRule
from training.characteristics.columns import BASKETS, CATEGORIES, LISTS, NAME, NUMBERS, ORGANIZATION, STAGE, K
from training.characteristics.examples import truth_of
from training.characteristics.expert_prior import prior_matrix
from training.characteristics.first_purchases import buyers_log_odds
from training.characteristics.keras_training import (
    CharacteristicShape,
    Linear,
    Rows,
    item_weights,
    served,
    trained,
    with_items,
)
from training.characteristics.logistic import logistic
from training.characteristics.numpy_network import Network, encode
from training.evaluation.fitted import FittedModel
from training.evaluation.metrics import ranking_metrics, top_ranks
from training.models.artifacts import Meta, Model, from_bytes, to_bytes, with_extra
from training.models.lists import label_matrix
from training.networks.loop import SCORE, Checkpoint, keyed

log = logging.getLogger(__name__)
#: values of a category that get an input of their own
_MOST_VALUES = 40
#: probability below which nothing is recommended
LEAST_THRESHOLD = 0.05


@dataclass(frozen=True)
class CharacteristicsConfig:
    """Everything that changes the fitted network.

    ``hidden``: units of the hidden layers; none: the logistic regressions alone. ``items``: whether what else a
    customer owns speaks for what they never bought.
    """

    hidden: tuple[int, ...] = (128,)
    dropout: float = 0.6
    items: bool = True
    prior: tuple[PriorRule, ...] = ()
    training: NetworkTraining = field(
        default_factory=lambda: NetworkTraining(learning_rate=1e-3, batch=256, epochs=30, patience=2)
    )

    def configured(self, network: NetworkTraining, epochs: int, seed: int) -> CharacteristicsConfig:
        """Return these sizes and this rate with the loss, the optimiser and the activation of the configuration."""
        own = self.training.model_dump(include={"learning_rate", "batch", "patience"})
        training = network.model_copy(update={**own, "epochs": epochs, "seed": seed})
        return replace(self, training=training)

    @property
    def params(self) -> dict[str, Any]:
        """The same as flat parameters of a run."""
        sizes = {name: value for name, value in asdict(self).items() if name != "training"}
        return sizes | self.training.model_dump()


@dataclass(frozen=True)
class Lessons:
    """What a network learns from, as numbers.

    Attributes:
        dictionary: characteristics in the order of their index.
        categories: column -> its known values.
        past: rows of the training windows.
        valid: rows of the validation window, the newest there is.
        both: all of them.
        validation: the examples of the validation window.
        begun: logistic regressions on the rows of the training windows.
        begun_on_both: the same on all rows.
    """

    dictionary: tuple[str, ...]
    categories: dict[str, list[str]]
    past: Rows
    valid: Rows
    both: Rows
    validation: pd.DataFrame
    begun: Linear
    begun_on_both: Linear

    def shape(self, config: CharacteristicsConfig) -> CharacteristicShape:
        """Return the sizes of a network of ``config``."""
        sizes = len(self.dictionary), len(NUMBERS), self.past.coded.categories.shape[1]
        return CharacteristicShape(
            *sizes, config.hidden, config.dropout, config.training.activation, config.training.seed
        )

    def ndcg(self, score: np.ndarray) -> float:
        """Return the mean NDCG of the validation window ranked by ``score`` (n, l)."""
        customers = self.validation["customer_id"].to_numpy()
        ranked = top_ranks(customers, np.asarray(self.dictionary), score, K)
        return float(ranking_metrics(ranked, truth_of(self.validation), K)["ndcg"].mean())


@dataclass(frozen=True)
class FirstFit:
    """A network that has learnt from the training windows alone, and what its last fit needs of it.

    ``weights``: what weighs its log-odds against what else a customer owns; None without such a part.
    """

    model: Model
    curves: dict[str, list[float]]
    weights: tuple[float, float, float] | None

    @property
    def epochs(self) -> int:
        """Epochs after which it ranked the validation window best."""
        return int(np.argmax(self.curves[SCORE])) + 1 if self.curves else 1


def lessons(
    train: pd.DataFrame, validation: pd.DataFrame, dictionary: Sequence[str], start: FittedModel, seed: int
) -> Lessons:
    """Turn examples into what a network learns from.

    Args:
        train: rows of :func:`examples` with the list ``bought``, of all training windows.
        validation: the same of the validation window.
        dictionary: characteristics in the order of their index.
        start: personal frequency (:func:`training.characteristics.baselines.baseline`).
        seed: of the rows that logistic regressions are fitted on.
    """
    categories = _vocabulary(train)
    frequency = Network.of(start.model)
    alone = Linear(frequency.kernel, frequency.bias)

    def rows(frame: pd.DataFrame) -> Rows:
        bought = label_matrix(frame["bought"], None, pd.Index(dictionary))
        return Rows(encode(frame, NUMBERS, categories, dictionary), bought)

    past, both = rows(train), rows(pd.concat([train, validation], ignore_index=True))
    begun = [logistic(window, alone, seed) for window in (past, both)]
    return Lessons(tuple(dictionary), categories, past, rows(validation), both, validation, *begun)


def fit(given: Lessons, config: CharacteristicsConfig, checkpoint: Checkpoint | None = None) -> FittedModel:
    """Train the network on top of the logistic regressions, twice: the last fit learns from the validation window too.

    The first fit is judged on the validation window, which says after how many epochs it ranks best, how first
    purchases are forecast, and the thresholds.

    Args:
        given: result of :func:`lessons`.
        config: sizes and seed.
        checkpoint: where a killed training goes on from.
    """
    return last_fit(given, config, first_fit(given, config, checkpoint), checkpoint)


def first_fit(given: Lessons, config: CharacteristicsConfig, checkpoint: Checkpoint | None = None) -> FirstFit:
    """Train on the training windows alone until the validation window is ranked no better; see :func:`fit`."""
    shape, valid = given.shape(config), given.valid
    kept, watched = _kept(given, config, checkpoint), (valid, given.ndcg)
    network, curves = trained(given.past, shape, given.begun, config.training, watched, kept)
    weights = item_weights(network, shape.seed, valid) if config.items else None
    whole = with_items(network, shape, weights, valid.coded.owned) if weights else network
    files = files_of(served(whole), "network", given.dictionary, NUMBERS, given.categories, config)
    popular = buyers_log_odds(given.past.bought).tolist()
    return FirstFit(with_extra(with_thresholds(files, given.validation), first_contact=popular), curves, weights)


def last_fit(
    given: Lessons, config: CharacteristicsConfig, first: FirstFit, checkpoint: Checkpoint | None = None
) -> FittedModel:
    """Train as long again on all windows, the thresholds and what weighs first purchases being those of the first."""
    shape, kept = given.shape(config), _kept(given, config, checkpoint)
    kept = kept and replace(kept, name=f"{kept.name}-last")
    as_long = config.training.model_copy(update={"epochs": first.epochs})
    network, _ = trained(given.both, shape, given.begun_on_both, as_long, None, kept)
    owned = (given.valid.coded.owned + given.valid.bought).sign()
    whole = with_items(network, shape, first.weights, owned) if first.weights else network
    files = files_of(served(whole), "network", given.dictionary, NUMBERS, given.categories, config)
    limits, newest = first.model.meta.extra["thresholds"], buyers_log_odds(given.valid.bought).tolist()
    model = with_extra(from_bytes(files), thresholds=limits, first_contact=newest)
    return FittedModel(model, config.params, first.curves)


def _kept(given: Lessons, config: CharacteristicsConfig, checkpoint: Checkpoint | None) -> Checkpoint | None:
    """Return the checkpoint with the key of all that both fits read."""
    judged = given.validation["customer_id"].to_numpy(), truth_of(given.validation).to_numpy()
    parts = given.dictionary, given.categories, given.past, given.valid, given.begun, given.begun_on_both
    return keyed(checkpoint, config, *parts, *judged)


def thresholds(probability: np.ndarray, happened: np.ndarray, least: float) -> np.ndarray:
    """Choose for each characteristic the probability from which recommending it gives the best F1.

    Args:
        probability: (n, l).
        happened: (n, l) of 0 and 1.
        least: floor; it is also the threshold of a characteristic that nobody bought.

    Returns:
        (l,) rounded to 6 decimals.
    """
    order = np.argsort(-probability, axis=0, kind="stable")
    hits = np.cumsum(np.take_along_axis(happened, order, axis=0), axis=0)
    f1 = 2 * hits / (np.arange(1, len(happened) + 1)[:, None] + happened.sum(axis=0))
    chosen = np.take_along_axis(probability, np.take_along_axis(order, f1.argmax(axis=0)[None], axis=0), axis=0)[0]
    return np.round(np.where(happened.sum(axis=0) > 0, np.maximum(chosen, least), least), 6)


def _vocabulary(train: pd.DataFrame) -> dict[str, list[str]]:
    """Return the most frequent values of every category that holds any."""
    by_column: dict[str, list[str]] = {}
    for column in (*CATEGORIES, *ORGANIZATION):
        values = train[column].dropna()
        if len(values):
            counts = values.value_counts().rename_axis("value").reset_index(name="rows")
            counts = counts.sort_values(["rows", "value"], ascending=[False, True])
            by_column[column] = sorted(counts["value"].head(_MOST_VALUES))
    return by_column


def files_of(
    model: Any,
    family: str,
    dictionary: Sequence[str],
    numbers: Sequence[str] = (),
    categories: dict[str, list[str]] | None = None,
    config: CharacteristicsConfig | None = None,
) -> dict[str, bytes]:
    """Return the files of a network of Keras that gives probabilities; its thresholds are yet to be chosen.

    Args:
        model: result of :func:`training.characteristics.keras_training.served`.
        family: what it is called in comparisons.
        dictionary: characteristics in the order of their index.
        numbers: its numeric inputs.
        categories: column -> its known values.
        config: its activation and the rules of the expert; None for a baseline.
    """
    extra = {
        "characteristic_kind": "product_type",
        "numbers": list(numbers),
        "categories": categories or {},
        "thresholds": [0.5] * len(dictionary),
    }
    inputs = (*numbers, *(categories or {}), *LISTS)
    if config:
        extra["activation"] = config.training.activation
    if config and config.prior:
        extra["prior"] = prior_matrix(config.prior, dictionary).tolist()
        inputs = tuple(dict.fromkeys((*inputs, STAGE, BASKETS)))
    return to_bytes(Meta(NAME, "keras", family, inputs, tuple(dictionary), extra), model)


def with_thresholds(files: dict[str, bytes], validation: pd.DataFrame) -> Model:
    """Choose the thresholds by the very predictions that scoring will make."""
    model = from_bytes(files)
    happened = label_matrix(validation["bought"], None, pd.Index(model.meta.outputs)).toarray()
    return with_extra(model, thresholds=thresholds(model.predict(validation), happened, LEAST_THRESHOLD).tolist())
