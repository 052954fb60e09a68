"""A logistic regression per characteristic, all fitted at once; n = rows, m = inputs, l = characteristics.

Each takes the customer's own history with its characteristic (``history``), the numbers and the
categories. Their losses are one sum, made small by L-BFGS in coordinates whose curvature at the start is about the
same in every direction: 25 steps then reach what takes hundreds otherwise.

Reference: Nocedal (1980), "Updating quasi-Newton matrices with limited storage", Mathematics of Computation 35.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import minimize

from training.characteristics.keras_training import Linear, Rows, filled
from training.characteristics.numpy_network import history, standardised

#: L2 penalty of the weight of a standardised input, and of how far that of own history lies from personal frequency's
_PENALTY = 1000.0
_STEPS = 25
#: rows x characteristics that are learnt from; of more rows a sample
_MOST_CELLS = 16_000_000
_TINY = 1e-4


def logistic(rows: Rows, begun: Linear, seed: int) -> Linear:
    """Fit the regressions, beginning with own history alone.

    Args:
        rows: to learn from.
        begun: personal frequency.
        seed: of the sample, where there are too many rows.
    """
    size, labels = rows.bought.shape
    kept = np.sort(np.random.default_rng(seed).permutation(size)[: max(1, _MOST_CELLS // labels)])
    numbers = filled(np.arcsinh(rows.coded.numbers[kept]))
    mean, variance = numbers.mean(axis=0), numbers.var(axis=0)
    scaled = standardised(rows.coded.numbers[kept], mean, variance)
    inputs = np.column_stack([np.ones(len(kept)), scaled, rows.coded.categories[kept]]).astype("float32")
    own = history(rows.coded.recent[kept].toarray(), rows.coded.total[kept].toarray())
    frequency = begun.own.T.astype("float64")
    losses = _Losses(rows.bought[kept].toarray(), inputs, np.stack(own).astype("float32"), frequency)
    shared = np.zeros((inputs.shape[1], labels))
    shared[0] = begun.bias
    shared, weights = _smallest(losses, shared, frequency)
    return Linear(weights.T.astype("float32"), shared[0], shared[1:], mean, variance)


@dataclass(frozen=True)
class _Losses:
    """What is to be made small: ``truth`` (n, l) by ``inputs`` (n, m), a one first, and ``own`` history (4, n, l).

    The weights of own history are drawn towards ``centre`` (4, l), all further ones towards 0.
    """

    truth: np.ndarray
    inputs: np.ndarray
    own: np.ndarray
    centre: np.ndarray

    @cached_property
    def penalties(self) -> tuple[np.ndarray, np.ndarray]:
        """Penalties of the inputs' weights (m, 1), none of the constant, and of those of own history (4, l)."""
        shared = np.full((self.inputs.shape[1], 1), _PENALTY)
        shared[0] = _TINY
        return shared, _PENALTY * (self.own.var(axis=1).astype("float64") + _TINY)

    def log_odds(self, shared: np.ndarray, own: np.ndarray) -> np.ndarray:
        result = self.inputs @ shared.astype("float32")
        for part, weight in zip(self.own, own.astype("float32"), strict=True):
            result += part * weight
        return result

    def at(self, shared: np.ndarray, own: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Return the loss with these weights (m, l) and (4, l), and its gradients by them."""
        odds = self.log_odds(shared, own)
        small = np.exp(-np.abs(odds))
        loss = (np.maximum(odds, 0) - self.truth * odds + np.log1p(small)).sum(dtype="float64")
        wrong = np.where(odds > 0, 1, small) / (1 + small) - self.truth
        away = shared, own - self.centre
        held = [penalty * weight for penalty, weight in zip(self.penalties, away, strict=True)]
        loss += 0.5 * sum((coefficients * weight).sum() for coefficients, weight in zip(held, away, strict=True))
        by_own = np.stack([(part * wrong).sum(axis=0) for part in self.own])
        return float(loss), self.inputs.T @ wrong + held[0], by_own + held[1]


def _smallest(losses: _Losses, shared: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights (m, l) and (4, l) that L-BFGS goes to from those given."""
    to_shared, scale, to_own = _coordinates(losses, shared, own)
    size = len(shared)

    def weights(place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        free = place.reshape(size + len(own), -1)
        return to_shared @ (free[:size] * scale), np.einsum("lij,jl->il", to_own, free[size:])

    def loss(place: np.ndarray) -> tuple[float, np.ndarray]:
        value, by_shared, by_own = losses.at(*weights(place))
        slopes = to_shared.T @ by_shared * scale, np.einsum("lij,il->jl", to_own, by_own)
        return value / len(losses.truth), np.vstack(slopes).ravel() / len(losses.truth)

    begin = np.linalg.solve(to_shared, shared) / scale, np.einsum("lij,jl->il", np.linalg.inv(to_own), own)
    options = {"maxiter": _STEPS, "maxcor": 10}
    return weights(minimize(loss, np.vstack(begin).ravel(), method="L-BFGS-B", jac=True, options=options).x)


def _coordinates(losses: _Losses, shared: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what turns even coordinates into weights of the inputs, (m, m) and a scale (l,), and of own history.

    The latter (l, 4, 4) is exact for each characteristic alone; the inputs, which all share, are taken as they lie,
    each characteristic with the mean curvature of its rows.
    """
    probability = 1 / (1 + np.exp(-losses.log_odds(shared, own)))
    curvature = probability * (1 - probability)
    penalties = losses.penalties
    gram = losses.inputs.T @ losses.inputs / len(losses.inputs) + np.diag(10 * penalties[0][:, 0] / len(losses.inputs))
    bends = np.stack([[(a * b * curvature).sum(axis=0) for b in losses.own] for a in losses.own]).transpose(2, 0, 1)
    bends = bends.astype("float64") + np.eye(len(own)) * penalties[1].T[:, :, None]
    return _inverse_root(gram.astype("float64")), 1 / np.sqrt(curvature.sum(axis=0) + _TINY), _inverse_root(bends)


def _inverse_root(square: np.ndarray) -> np.ndarray:
    """Return what makes a positive matrix the identity from both sides."""
    root: np.ndarray = np.swapaxes(np.linalg.inv(np.linalg.cholesky(square)), -1, -2)
    return root
