"""What the product-characteristic network has to beat; n = customers, l = characteristics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression

from features.segments.segments import TRAITS
from training.characteristics.characteristics import NUMBERS, Lessons, files_of, with_thresholds
from training.characteristics.first_purchases import buyers_log_odds
from training.characteristics.keras_training import Linear, served
from training.characteristics.numpy_network import encode, label_matrix
from training.evaluation.fitted import Candidate

#: customers that the three numbers of personal frequency are fitted on
_ROWS = 1000
#: segments, and customers of all that weigh as much as the members of one
_SEGMENTS, _SHRINK = 8, 20.0
_TINY = 1e-6


def baseline(train: pd.DataFrame, validation: pd.DataFrame, dictionary: Sequence[str], seed: int) -> Candidate:
    """Fit personal frequency: one slope for all characteristics, and a prior for each.

    log-odds = a + b log1p(2 baskets_84 + baskets_total) + c log-odds of the share of customers who buy it

    Args:
        train: rows of ``examples`` with the list ``bought``, of all training windows.
        validation: the same of the validation window; thresholds are chosen on it.
        dictionary: characteristics in the order of their index.
        seed: of the rows that the three numbers are fitted on.
    """
    coded, bought = encode(train, (), {}, dictionary), label_matrix(train["bought"], None, pd.Index(dictionary))
    prior = buyers_log_odds(bought)
    rows = np.sort(np.random.default_rng(seed).permutation(bought.shape[0])[:_ROWS])
    frequency = np.log1p(2 * coded.recent[rows].toarray() + coded.total[rows].toarray())
    x = np.stack([frequency.ravel(), np.tile(prior, len(rows))], axis=1)
    fitted = LogisticRegression(C=1e6).fit(x, bought[rows].toarray().ravel() > 0)
    (slope, weight), constant = fitted.coef_[0], fitted.intercept_[0]
    model = _alone(slope, constant + weight * prior)
    return Candidate(with_thresholds(files_of(model, "personal frequency", dictionary), validation))


def popularity(validation: pd.DataFrame, dictionary: Sequence[str]) -> Candidate:
    """Return what most customers bought last: the shares of buyers in the newest window that may be learnt from."""
    model = _alone(0.0, buyers_log_odds(label_matrix(validation["bought"], None, pd.Index(dictionary))))
    return Candidate(with_thresholds(files_of(model, "popularity", dictionary), validation))


def regressions(given: Lessons) -> Candidate:
    """Return the logistic regressions, one per characteristic, that the last fit of the network begins as."""
    family = "logistic regressions"
    files = files_of(served(given.begun_on_both.model()), family, given.dictionary, NUMBERS, given.categories)
    return Candidate(with_thresholds(files, given.validation))


def by_segment(known: pd.DataFrame, asked: pd.DataFrame, dictionary: Sequence[str], seed: int) -> np.ndarray:
    """Return the share of buyers (n, l) of each characteristic in the segment of each customer asked about.

    Segments are k-means on the traits that the night's segments rest on, found in the rows that may be learnt from.
    Shares are shrunk to those of all: a segment without members has those.

    Args:
        known: rows of ``examples`` with the list ``bought``, of windows that ended before.
        asked: rows to forecast.
        dictionary: characteristics in the order of their index.
        seed: of the segments.
    """
    traits = _traits(known)
    mean, deviation = np.nanmean(traits, axis=0), np.maximum(np.nanstd(traits, axis=0), _TINY)
    learnt, placed = (np.nan_to_num((each - mean) / deviation) for each in (traits, _traits(asked)))
    found = KMeans(min(_SEGMENTS, len(learnt)), n_init=3, random_state=seed).fit(learnt)
    bought = label_matrix(known["bought"], None, pd.Index(dictionary))
    member = sparse.csr_matrix((np.ones(len(known)), (found.labels_, np.arange(len(known)))))
    of_all = np.asarray(bought.mean(axis=0)).ravel()
    shares = (np.asarray((member @ bought).todense()) + _SHRINK * of_all) / (member.sum(axis=1).A + _SHRINK)
    return np.asarray(shares[found.predict(placed)])


def _traits(frame: pd.DataFrame) -> np.ndarray:
    """Return the traits of the night's segments (n, t), logarithms where those are taken."""
    cells = ", ".join(f"({value})::double as {trait}" for trait, (value, _) in TRAITS.items())
    with duckdb.connect() as engine:
        engine.register("profile", frame[list(NUMBERS)])
        found = engine.sql(f"select {cells} from profile").df()
    values = found.astype("float64").to_numpy(copy=True)
    logged = [place for place, (_, log) in enumerate(TRAITS.values()) if log]
    values[:, logged] = np.log1p(np.maximum(values[:, logged], 0))
    return values


def _alone(slope: float, bias: np.ndarray) -> Any:
    """Return ``slope`` x personal frequency + ``bias`` (l,) as a model."""
    own = np.zeros((len(bias), 4))
    own[:, 2] = slope
    return served(Linear(own, bias).model())
