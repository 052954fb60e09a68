"""What the characteristic network starts from for characteristics that a customer never bought.

The own history is silent there. Two things speak: how many of those who never bought it buy it for the first time, and
what else the customer has bought, by a linear item-to-item model of low rank.
n = customers, l = characteristics, r = rank.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.utils.extmath import randomized_svd

from training.recommenders.ease import ease_weights

#: L2 on the weights of the item-to-item model: that of `bench_networks.py` for whether, not how often
PENALTY = 1000.0
#: inner size of the item-to-item model: as good as the whole matrix, and its file grows with l, not with its square
_RANK = 64
#: characteristics with most owners that the item-to-item model knows: its fit is cubic in them
_MOST_ITEMS = 6000
#: non-owners that weigh as much as all characteristics together do
_SHRINK = 20.0
#: customers that :func:`weights` are fitted on
_ROWS = 1000


def buyers_log_odds(bought: sparse.csr_matrix) -> np.ndarray:
    """Return the log-odds of the share of customers who buy each characteristic (l,); ``bought`` is (n, l) of ones."""
    size, buyers = bought.shape[0], np.asarray(bought.sum(axis=0)).ravel()
    log_odds: np.ndarray = np.log((buyers + 1) / (size - buyers + 1))
    return log_odds


def first_time_log_odds(owned: sparse.csr_matrix, bought: sparse.csr_matrix) -> np.ndarray:
    """Return the log-odds (l,) that a customer who never bought a characteristic does so in a window.

    Shrunk towards the rate of all characteristics together.

    Args:
        owned: (n, l) ones where the customer had bought it before.
        bought: (n, l) ones where the customer bought it in the window.
    """
    first = np.asarray((bought - bought.multiply(owned)).sum(axis=0), dtype="float64").ravel()
    asked = owned.shape[0] - np.asarray(owned.sum(axis=0), dtype="float64").ravel()
    rate = (first.sum() + 1) / (asked.sum() + 2)
    share = (first + _SHRINK * rate) / (asked + _SHRINK)
    return np.log(share / (1 - share))


def item_factors(owned: sparse.csr_matrix, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Fit the item-to-item model: ``owned @ left @ right`` says how well each characteristic goes with what is owned.

    EASE on whether a customer owns, cut to its largest singular values.

    Args:
        owned: (n, l) ones.
        seed: of the decomposition.

    Returns:
        float32 (l, r) and (r, l).
    """
    size = owned.shape[1]
    kept = np.sort(np.argsort(-np.asarray(owned.sum(axis=0)).ravel(), kind="stable")[:_MOST_ITEMS])
    kept_columns = owned[:, kept]
    weights = ease_weights((kept_columns.T @ kept_columns).toarray(), PENALTY)
    left, strength, right = randomized_svd(weights, min(_RANK, len(kept)), random_state=seed)
    whole = np.zeros((size, len(strength)), dtype="float32"), np.zeros((len(strength), size), dtype="float32")
    whole[0][kept], whole[1][:, kept] = left * strength, right
    return whole


def weights(
    log_odds: np.ndarray, score: np.ndarray, owned: sparse.csr_matrix, bought: sparse.csr_matrix, seed: int
) -> tuple[float, float, float]:
    """Weigh the network's log-odds against the item-to-item score, by a logistic regression on what was never bought.

    Args:
        log_odds: (n, l) of the network.
        score: (n, l) of the item-to-item model, fitted on nothing after the window began.
        owned: (n, l) ones where the customer had bought it before the window.
        bought: (n, l) ones where the customer bought it in the window.
        seed: of the customers that the three numbers are fitted on.

    Returns:
        Weight of the log-odds, weight of the score, constant; 1, 0, 0 where the window teaches nothing better.
    """
    rows = np.sort(np.random.default_rng(seed).permutation(owned.shape[0])[:_ROWS])
    never = owned[rows].toarray() == 0
    label = bought[rows].toarray()[never] > 0
    if label.all() or not label.any():
        return 1.0, 0.0, 0.0
    fitted = LogisticRegression(C=1e6).fit(np.stack([log_odds[rows][never], score[rows][never]], axis=1), label)
    (own, items), constant = fitted.coef_[0], fitted.intercept_[0]
    return (float(own), float(items), float(constant)) if min(own, items) > 0 else (1.0, 0.0, 0.0)
