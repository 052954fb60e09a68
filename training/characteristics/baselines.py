"""What the product-characteristic network has to beat; n = customers, l = characteristics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from training.characteristics.first_purchases import buyers_log_odds
from training.characteristics.fit import files_of, with_thresholds
from training.characteristics.keras_training import Linear, served
from training.characteristics.numpy_network import encode
from training.evaluation.fitted import FittedModel
from training.models.lists import label_matrix

#: customers that the three numbers of personal frequency are fitted on
_ROWS = 1000


def baseline(train: pd.DataFrame, validation: pd.DataFrame, dictionary: Sequence[str], seed: int) -> FittedModel:
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
    return FittedModel(with_thresholds(files_of(model, "personal frequency", dictionary), validation))


def popularity(validation: pd.DataFrame, dictionary: Sequence[str]) -> FittedModel:
    """Return what most customers bought last: the shares of buyers in the newest window that may be learnt from."""
    model = _alone(0.0, buyers_log_odds(label_matrix(validation["bought"], None, pd.Index(dictionary))))
    return FittedModel(with_thresholds(files_of(model, "popularity", dictionary), validation))


def _alone(slope: float, bias: np.ndarray) -> Any:
    """Return ``slope`` x personal frequency + ``bias`` (l,) as a model."""
    own = np.zeros((len(bias), 4))
    own[:, 2] = slope
    return served(Linear(own, bias).model())
