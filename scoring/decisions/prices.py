"""Prices of limits: what one more unit of a limit would bring, and a bound that no allocation can exceed.

The limits are charged at prices; at any prices of at least 0, the customers' best choices plus the charged bounds are
an upper bound of what can be reached. The lowest such bound is searched by cutting planes within a moving box, with
HiGHS for the linear programs, first on a sample of the customers and then on all.

Reference: Marsten, Hogan and Blankenship (1975), "The BOXSTEP Method for Large-Scale Optimization", Operations Research
23(3).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linprog

from scoring.decisions.bundles import Choice, Inside, best_bundles, inside
from scoring.decisions.problem import Problem, Weights

log = logging.getLogger(__name__)
#: households of the sample on which the search begins
SAMPLE = 20_000
#: a price goes up to so many times the mean value of an action per unit: beyond it a limit cannot be kept
HIGHEST = 1_000.0


@dataclass(frozen=True)
class Dual:
    """The end of a search: prices (r,), the bound at them, the choices they lead to, and how often all were chosen."""

    prices: np.ndarray
    bound: float
    choice: Choice
    rounds: int


def charges(prices: np.ndarray, rules: Weights) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the charge of an action (s, a), of a unit of its cost, and of its value."""
    return tuple(np.tensordot(prices, part, 1) for part in (rules.count, rules.cost, rules.value))  # type: ignore[return-value]


def used(choice: Choice, rules: Weights) -> np.ndarray:
    """Return what a choice uses of every limit (r,)."""
    total: np.ndarray = (
        np.tensordot(rules.count, choice.count, 2)
        + np.tensordot(rules.cost, choice.cost, 2)
        + np.tensordot(rules.value, choice.value, 2)
    )
    return total


def scales(problem: Problem, rules: Weights) -> np.ndarray:
    """Return what a price of each limit (r,) is measured in: mean value of an action per mean use of the limit."""
    some = slice(None, None, max(1, len(problem.values) // 5_000))
    values, costs = problem.values[some], problem.costs[some]
    useful = np.isfinite(values) & (values > 0)
    value = float(values[useful].mean()) if useful.any() else 1.0
    cost = float(np.abs(costs[useful]).mean()) if useful.any() else 1.0
    use = []
    for count, per_cost, per_value in zip(rules.count, rules.cost, rules.value, strict=True):
        size = np.abs(count) + np.abs(per_cost) * cost + np.abs(per_value) * value
        use.append(size[size > 0].mean() if (size > 0).any() else 1.0)
    return value / np.array(use)


def lowest_bound(problem: Problem, rules: Weights, tolerance: float = 1e-6, most_rounds: int = 250) -> Dual:
    """Search the prices with the lowest upper bound.

    Args:
        problem: customers sorted, members of a household together.
        rules: the binding limits.
        tolerance: the search ends when a round promises less than this share of the bound.
        most_rounds: rounds over all customers.
    """
    scale = scales(problem, rules)
    start, step = np.zeros(len(scale)), 1.0
    within = inside(problem)
    if len(within.starts) - 1 > 2 * SAMPLE and len(scale):
        every = (len(within.starts) - 1) // SAMPLE
        part, share = _sample(problem, within, every)
        smaller = replace(rules, bound=rules.bound * share)
        start = _search(part, inside(part), smaller, scale, start, step, tolerance / 4, most_rounds).prices
        step = 0.02
    return _search(problem, within, rules, scale, start, step, tolerance, most_rounds)


def _sample(problem: Problem, within: Inside, every: int) -> tuple[Problem, float]:
    """Return every ``every``-th household, and the share of the customers that they are."""
    units = np.arange(0, len(within.starts) - 1, every)
    sizes = within.starts[units + 1] - within.starts[units]
    rows = np.repeat(within.starts[units] - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes) + np.arange(
        sizes.sum()
    )
    return problem.rows(rows), len(rows) / len(problem.values)


def _search(
    problem: Problem, within: Inside, rules: Weights, scale: np.ndarray, start: np.ndarray, step: float,
    tolerance: float, most_rounds: int,
) -> Dual:  # fmt: skip
    """Run the box-step method from ``start``; prices are searched in units of ``scale``."""

    def bound_at(prices: np.ndarray) -> tuple[float, np.ndarray, Choice]:
        choice = best_bundles(problem, within, charges(prices, rules))
        return choice.net + float(prices @ rules.bound), rules.bound - used(choice, rules), choice

    centre = start
    best, slope, choice = bound_at(centre)
    if not len(scale):
        return Dual(centre, best, choice, 1)
    cuts, heights = [slope * scale], [best - float(slope @ centre)]
    rounds, calm = 1, 0
    while rounds < most_rounds:
        trial, promised = _lowest_in_box(np.array(cuts), np.array(heights), centre / scale, step)
        gain = best - promised
        if gain <= tolerance * max(abs(best), 1e-9):
            calm += 1
            if calm >= 2 or step >= HIGHEST / 4:
                break
            step *= 8  # a small promise in a small box says nothing of a larger one
            continue
        calm = 0
        prices = trial * scale
        value, slope, new = bound_at(prices)
        rounds += 1
        cuts.append(slope * scale)
        heights.append(value - float(slope @ prices))
        if value < best:
            better = best - value > 0.5 * gain
            centre, best, choice = prices, value, new
            step = min(step * 2, HIGHEST) if better else step
        else:
            step = max(step / 2, 1e-4)
    log.info("allocation: %s customers, bound %.2f after %s rounds", f"{len(problem.values):,}", best, rounds)
    return Dual(centre, best, choice, rounds)


def _lowest_in_box(cuts: np.ndarray, heights: np.ndarray, centre: np.ndarray, step: float) -> tuple[np.ndarray, float]:
    """Return the lowest point of the cutting planes within ``step`` of ``centre``, and its height."""
    size = max(1.0, float(np.abs(heights).max()))
    result = linprog(
        np.append(np.zeros(len(centre)), 1.0),
        A_ub=np.hstack([cuts / size, -np.ones((len(cuts), 1))]),
        b_ub=-heights / size,
        bounds=[*((max(0.0, c - step), min(HIGHEST, c + step)) for c in centre), (None, None)],
        method="highs",
    )
    if result.x is None:
        raise ValueError(f"the linear program of prices has no solution: {result.message}")
    return result.x[:-1], float(result.x[-1]) * size
