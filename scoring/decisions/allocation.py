"""Who gets what: one allocation over all customers, with a certificate of how far from the best it can be.

The allocation is the same for customers in any order; its gap is measured against a bound that holds for every
allocation that keeps the rules.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scoring.decisions.bundles import inside
from scoring.decisions.prices import charges, lowest_bound
from scoring.decisions.problem import Limit, Problem, Weights
from scoring.decisions.repair import repaired, total_use, total_value

#: limits are searched a little tighter than they are, so that what is taken back at the end is little
MARGIN = 2e-4


@dataclass(frozen=True)
class LimitUse:
    """What an allocation uses of a limit, and what one more unit of it would bring (its price)."""

    limit: Limit
    used: float
    price: float

    @property
    def broken(self) -> bool:
        """Whether the limit does not hold: the rules cannot all be kept, or it is only reported."""
        return self.used > self.limit.bound + 1e-6 * max(1.0, abs(self.limit.bound))


@dataclass(frozen=True)
class Allocation:
    """An allocation and its certificate.

    Attributes:
        chosen: bool (n, a), customers in the order they were given in.
        value: sum of the values of what is chosen.
        bound: no allocation that keeps the rules has a higher value.
        uses: one entry per limit, report-only ones included, in their order.
        rounds: how often all customers chose at prices.
    """

    chosen: np.ndarray
    value: float
    bound: float
    uses: tuple[LimitUse, ...]
    rounds: int

    @property
    def gap(self) -> float:
        """Share of the value that the best allocation could have in addition."""
        return max(0.0, self.bound - self.value) / max(abs(self.value), 1e-12)

    @property
    def prices(self) -> np.ndarray:
        """Prices of the limits, in their order."""
        return np.array([use.price for use in self.uses])


def allocate(problem: Problem, keys: np.ndarray, tolerance: float = 1e-6) -> Allocation:
    """Allocate actions to customers.

    Args:
        problem: values, costs and rules.
        keys: customers' keys (n,), all different; they alone order the customers.
        tolerance: see :func:`scoring.decisions.prices.lowest_bound`.

    Raises:
        ValueError: a key stands twice.
    """
    order = customer_order(problem, keys)
    sorted_problem = problem.rows(order)
    rules = problem.weights(problem.binding)
    dual = lowest_bound(sorted_problem, tightened(rules), tolerance)
    bound = dual.bound + float(dual.prices @ (rules.bound - tightened(rules).bound))
    bundles = repaired(sorted_problem, inside(sorted_problem), rules, dual.choice.bundles, charges(dual.prices, rules))
    value = total_value(sorted_problem, bundles)
    use = total_use(sorted_problem, problem.weights(problem.limits), bundles)
    prices = iter(dual.prices)
    uses = tuple(
        LimitUse(limit, float(amount), 0.0 if limit.report_only else float(next(prices)))
        for limit, amount in zip(problem.limits, use, strict=True)
    )
    back = np.empty_like(bundles)
    back[order] = bundles
    return Allocation(as_flags(back, problem.values.shape[1]), value, bound, uses, dual.rounds)


def customer_order(problem: Problem, keys: np.ndarray) -> np.ndarray:
    """Return the rows sorted by household and key.

    Raises:
        ValueError: a key stands twice.
    """
    order = np.argsort(keys, kind="stable")
    if len(keys) > 1 and (keys[order][1:] == keys[order][:-1]).any():
        raise ValueError("a customer's key stands twice among the customers to allocate to")
    if problem.household is not None:
        order = order[np.argsort(problem.household[order], kind="stable")]
    return order


def tightened(rules: Weights) -> Weights:
    """Return the limits a little tighter: maxima lower, minima (negated) higher."""
    return replace(rules, bound=rules.bound - MARGIN * np.abs(rules.bound))


def as_flags(bundles: np.ndarray, actions: int) -> np.ndarray:
    """Return bundles as flags (n, a).

    >>> as_flags(np.array([5], np.uint64), 3).tolist()
    [[True, False, True]]
    """
    flags: np.ndarray = (bundles[:, None] >> np.arange(actions, dtype=np.uint64) & np.uint64(1)).astype(bool)
    return flags
