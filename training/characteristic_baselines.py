"""What the product-characteristic network has to beat; n = customers, l = characteristics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from training.characteristic_training import by_frequency, served
from training.characteristics import files_of, with_thresholds
from training.fitting import Candidate
from training.network import encode, label_matrix

#: customers that the three numbers of personal frequency are fitted on
_ROWS = 1000


def baseline(train: pd.DataFrame, validation: pd.DataFrame, dictionary: Sequence[str], seed: int) -> Candidate:
    """Fit personal frequency: one slope for all characteristics, and a prior for each.

    log-odds = a + b log1p(2 baskets_84 + baskets_total) + c log-odds of the share of customers who buy it

    Args:
        train: rows of :func:`training.characteristics.examples` with the list ``bought``, of all training windows.
        validation: the same of the validation window; thresholds are chosen on it.
        dictionary: characteristics in the order of their index.
        seed: of the rows that the three numbers are fitted on.
    """
    coded, bought = encode(train, (), {}, dictionary), label_matrix(train["bought"], None, pd.Index(dictionary))
    buyers = np.asarray(bought.sum(axis=0)).ravel()
    prior = np.log((buyers + 1) / (bought.shape[0] - buyers + 1))
    rows = np.sort(np.random.default_rng(seed).permutation(bought.shape[0])[:_ROWS])
    frequency = np.log1p(2 * coded.recent[rows].toarray() + coded.total[rows].toarray())
    x = np.stack([frequency.ravel(), np.tile(prior, len(rows))], axis=1)
    fitted = LogisticRegression(C=1e6).fit(x, bought[rows].toarray().ravel() > 0)
    (slope, weight), constant = fitted.coef_[0], fitted.intercept_[0]
    model = served(by_frequency(slope, constant + weight * prior))
    return Candidate(with_thresholds(files_of(model, "personal frequency", dictionary), validation))


def popularity(validation: pd.DataFrame, dictionary: Sequence[str]) -> Candidate:
    """Return what most customers bought last: the shares of buyers in the newest window that may be learnt from."""
    buyers = np.asarray(label_matrix(validation["bought"], None, pd.Index(dictionary)).sum(axis=0)).ravel()
    model = served(by_frequency(0.0, np.log((buyers + 1) / (len(validation) - buyers + 1))))
    return Candidate(with_thresholds(files_of(model, "popularity", dictionary), validation))
