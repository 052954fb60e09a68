"""The product-characteristic network: which product types a customer buys in the days after ``as_of``.

A fully connected network with one sigmoid per characteristic. It starts as personal frequency, its own baseline, and
for what a customer never bought as the popularity of first purchases; it learns from there what profile, organisation
and the rest of the history add, and last what else he owns; see :mod:`training.network`.
n = customers, l = characteristics.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, functions as F
from sklearn.linear_model import LogisticRegression

from conf.features import PROFILE
from conf.schema import PriorRule
from training.artifacts import Meta, Model, from_bytes, to_bytes
from training.characteristic_training import Rows, Shape, Watch, build, by_frequency, filled, item_weights, with_items
from training.classifiers import with_extra
from training.expert_prior import prior_matrix
from training.first_purchases import first_time_log_odds
from training.fitting import Candidate
from training.funnel import stage
from training.network import BASKETS, LISTS, STAGE, Network, encode, label_matrix
from training.networks.backend import keras_for

log = logging.getLogger(__name__)
NAME = "characteristics"
NUMBERS: tuple[str, ...] = tuple(column.name for column in PROFILE.columns if column.type in ("int", "long", "double"))
CATEGORIES = (STAGE, "top_department", "age_band", "income_band", "household_size")
#: fields of a customer's organisation, where the source has organisations
ORGANIZATION = ("organization_industry", "organization_size_band", "organization_region")
#: columns a model may take
DECLARED = (*NUMBERS, *CATEGORIES, *ORGANIZATION, *LISTS)
#: values of a category that get an input of their own
_MOST_VALUES = 40
#: recommendations that count
K = 5
#: customers that the baseline's three numbers are fitted on
_BASELINE_ROWS = 1000


@dataclass(frozen=True)
class CharacteristicsConfig:
    """Everything that changes the fitted network."""

    hidden: tuple[int, ...] = (128,)
    dropout: float = 0.3
    learning_rate: float = 1e-3
    batch: int = 256
    epochs: int = 30
    patience: int = 3
    least_threshold: float = 0.05
    prior: tuple[PriorRule, ...] = ()
    seed: int = 20260101


def organization_fields(customers: DataFrame, organizations: DataFrame) -> DataFrame:
    """Return what is known of each customer's organisation: ``customer_id`` and :data:`ORGANIZATION`."""
    fields = [F.col(name.removeprefix("organization_")).alias(name) for name in ORGANIZATION]
    known = customers.where("organization_id is not null").select("customer_id", "organization_id")
    return known.join(organizations.select("organization_id", *fields), "organization_id").drop("organization_id")


def examples(profile: DataFrame, affinity: DataFrame, organizations: DataFrame | None = None) -> DataFrame:
    """Return what the network takes: one row per customer.

    Args:
        profile: ``PROFILE``.
        affinity: ``AFFINITY`` of the same day.
        organizations: result of :func:`organization_fields`, where the source has organisations.

    Returns:
        ``customer_id``, :data:`NUMBERS` (doubles), :data:`CATEGORIES`, :data:`ORGANIZATION` (null without), and the
        lists ``types``, ``type_baskets_84`` and ``type_baskets_total`` (null without a purchase), sorted by type.
    """
    each = F.sort_array(F.collect_list(F.struct("product_type", "baskets_84", "baskets_total")))
    history = affinity.groupBy("customer_id").agg(each.alias("history"))
    rows = profile.join(history, "customer_id", "left")
    if organizations is not None:
        rows = rows.join(organizations, "customer_id", "left")
    return rows.select(
        "customer_id",
        *(F.col(name).cast("double").alias(name) for name in NUMBERS),
        stage().alias(STAGE),
        *CATEGORIES[1:],
        *((F.col(name) if organizations is not None else F.lit(None).cast("string").alias(name))
          for name in ORGANIZATION),
        F.col("history.product_type").alias(LISTS[0]),
        F.col("history.baskets_84").alias(LISTS[1]),
        F.col("history.baskets_total").alias(LISTS[2]),
    )  # fmt: skip


def baseline(train: pd.DataFrame, validation: pd.DataFrame, dictionary: Sequence[str], seed: int) -> Candidate:
    """Fit personal frequency: one slope for all characteristics, and a prior for each.

    log-odds = a + b log1p(2 baskets_84 + baskets_total) + c log-odds of the share of customers who buy it

    Args:
        train: rows of :func:`examples` with the list ``bought``, of all training windows.
        validation: the same of the validation window; thresholds are chosen on it.
        dictionary: characteristics in the order of their index.
        seed: of the rows that the three numbers are fitted on.
    """
    coded, bought = encode(train, (), {}, dictionary), label_matrix(train["bought"], None, pd.Index(dictionary))
    buyers = np.asarray(bought.sum(axis=0)).ravel()
    prior = np.log((buyers + 1) / (bought.shape[0] - buyers + 1))
    rows = np.sort(np.random.default_rng(seed).permutation(bought.shape[0])[:_BASELINE_ROWS])
    frequency = np.log1p(2 * coded.recent[rows].toarray() + coded.total[rows].toarray())
    x = np.stack([frequency.ravel(), np.tile(prior, len(rows))], axis=1)
    fitted = LogisticRegression(C=1e6).fit(x, bought[rows].toarray().ravel() > 0)
    (slope, weight), constant = fitted.coef_[0], fitted.intercept_[0]
    model = by_frequency(slope, constant + weight * prior)
    files = _files(model, "personal frequency", dictionary, (), {})
    return Candidate(_with_thresholds(files, validation, CharacteristicsConfig().least_threshold))


def popularity(validation: pd.DataFrame, dictionary: Sequence[str]) -> Candidate:
    """Return what most customers bought last: the shares of buyers in the newest window that may be learnt from."""
    buyers = np.asarray(label_matrix(validation["bought"], None, pd.Index(dictionary)).sum(axis=0)).ravel()
    model = by_frequency(0.0, np.log((buyers + 1) / (len(validation) - buyers + 1)))
    files = _files(model, "popularity", dictionary, (), {})
    return Candidate(_with_thresholds(files, validation, CharacteristicsConfig().least_threshold))


def fit(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    dictionary: Sequence[str],
    start: Candidate,
    config: CharacteristicsConfig,
) -> Candidate:
    """Train the network from its baseline on, twice: the last fit learns from the validation window too.

    The first fit is judged on the validation window, which says after how many epochs it ranks best, what first
    purchases are foretold by, and the thresholds.

    Args:
        train: rows of :func:`examples` with the list ``bought``, of all training windows.
        validation: the same of the validation window, the newest there is.
        dictionary: characteristics in the order of their index.
        start: result of :func:`baseline`.
        config: sizes and seed.
    """
    categories = _vocabulary(train)

    def rows_of(*frames: pd.DataFrame) -> Rows:
        rows = pd.concat(frames, ignore_index=True)
        bought = label_matrix(rows["bought"], None, pd.Index(dictionary))
        return Rows(encode(rows, NUMBERS, categories, dictionary), bought)

    def files(model: Any) -> dict[str, bytes]:
        return _files(model, "network", dictionary, NUMBERS, categories, config.prior)

    past, valid, both = rows_of(train), rows_of(validation), rows_of(train, validation)
    width = past.coded.categories.shape[1]
    shape = Shape(len(dictionary), len(NUMBERS), width, config.hidden, config.dropout, config.seed)
    watch = Watch(
        valid, validation["customer_id"].to_numpy(), np.asarray(dictionary), truth_of(validation), K, config.patience
    )
    first = _trained(past, shape, start, config, config.epochs, watch)
    told = item_weights(first, shape, valid.coded, valid.bought)
    judged = _with_thresholds(
        files(with_items(first, shape, told, valid.coded.owned)), validation, config.least_threshold
    )
    last = _trained(both, shape, start, config, watch.epochs)
    owned = (valid.coded.owned + valid.bought).sign()
    limits = judged.meta.extra["thresholds"]
    model = with_extra(from_bytes(files(with_items(last, shape, told, owned))), thresholds=limits)
    return Candidate(model, asdict(config), watch.curves)


def _trained(
    rows: Rows,
    shape: Shape,
    start: Candidate,
    config: CharacteristicsConfig,
    epochs: int,
    watch: Watch | None = None,
) -> Any:
    """Train from the baseline on; with ``watch`` the epoch that it found best is kept."""
    keras, begun, model = keras_for(config.seed), Network.of(start.model), build(shape)
    never = first_time_log_odds(rows.coded.owned, rows.bought) - begun.bias
    kernel = np.column_stack([begun.kernel[:, :-1], never.astype("float32")])
    model.get_layer("own_history").set_weights([kernel, begun.bias])
    model.get_layer("scaled").adapt(filled(np.arcsinh(rows.coded.numbers)))
    model.compile(optimizer=keras.optimizers.Adam(config.learning_rate), loss="binary_crossentropy")
    generator, size = np.random.default_rng(config.seed), rows.bought.shape[0]
    for _ in range(epochs):
        parts = np.array_split(generator.permutation(size), max(1, size // config.batch))
        losses = [model.train_on_batch(rows.coded.batch(part), rows.bought[part].toarray()) for part in parts]
        if watch and watch(model, float(np.mean(losses))):
            break
    if watch and watch.kept:
        model.set_weights(watch.kept)
    return model


def truth_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Return all product types that were bought, characteristics or not: ``customer_id``, ``item``."""
    bought = frame[["customer_id", "bought"]].explode("bought").dropna(subset=["bought"])
    return bought.rename(columns={"bought": "item"}).reset_index(drop=True)


def seen_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Return what customers had bought before: ``customer_id``, ``item``."""
    seen = frame[["customer_id", LISTS[0]]].explode(LISTS[0]).dropna(subset=[LISTS[0]])
    return seen.rename(columns={LISTS[0]: "item"}).reset_index(drop=True)


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
    found: dict[str, list[str]] = {}
    for column in (*CATEGORIES, *ORGANIZATION):
        values = train[column].dropna()
        if len(values):
            counts = values.value_counts().rename_axis("value").reset_index(name="rows")
            counts = counts.sort_values(["rows", "value"], ascending=[False, True])
            found[column] = sorted(counts["value"].head(_MOST_VALUES))
    return found


def _files(
    model: Any,
    family: str,
    dictionary: Sequence[str],
    numbers: Sequence[str],
    categories: dict[str, list[str]],
    rules: Sequence[PriorRule] = (),
) -> dict[str, bytes]:
    extra = {
        "characteristic_kind": "product_type",
        "numbers": list(numbers),
        "categories": categories,
        "thresholds": [0.5] * len(dictionary),
    }
    inputs = (*numbers, *categories, *LISTS)
    if rules:
        extra["prior"] = prior_matrix(rules, dictionary).tolist()
        inputs = tuple(dict.fromkeys((*inputs, STAGE, BASKETS)))
    return to_bytes(Meta(NAME, "keras", family, inputs, tuple(dictionary), extra), model)


def _with_thresholds(files: dict[str, bytes], validation: pd.DataFrame, least: float) -> Model:
    """Choose the thresholds by the very predictions that scoring will make."""
    model = from_bytes(files)
    happened = label_matrix(validation["bought"], None, pd.Index(model.meta.outputs)).toarray()
    return with_extra(model, thresholds=thresholds(model.predict(validation), happened, least).tolist())
