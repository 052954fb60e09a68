"""From choices at prices to an allocation that keeps every limit.

Where customers' choices exceed a limit, the actions that lose least per unit are taken back; what is then free of every
limit is given to whom it brings most. A change is made only if no limit gets worse than its bound.

r = limits, s = segments, a = actions.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from scoring.decisions.bundles import Inside, allowed, met, trailing
from scoring.decisions.problem import Problem, Weights

#: what floating-point sums may differ by, as a share of a bound
ROUNDING = 1e-9
#: candidates of a pass
MOST_CANDIDATES = 4_000_000


def repaired(
    problem: Problem,
    within: Inside,
    rules: Weights,
    bundles: np.ndarray,
    net: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> np.ndarray:
    """Return bundles that keep every limit as far as that is possible; ``net`` holds the charges (s, a)."""
    bundles = bundles.copy()
    arguments = _arguments(problem, within, rules)
    use = total_use(problem, rules, bundles)
    slack = rules.bound + ROUNDING * np.abs(rules.bound)
    for row in np.argsort(rules.bound < 0, kind="stable"):  # minimum quantities, negated, come last
        if use[row] <= slack[row]:
            continue
        if rules.bound[row] >= 0:
            rows, actions, order = _to_take_back(problem, rules, bundles, net, int(row))
            _take_back(rows[order], actions[order], int(row), bundles, use, slack, *arguments)
        else:
            weight = rules.count[row] + rules.cost[row] + rules.value[row]
            rows, actions, order = _to_insert(problem, bundles, net, weight < 0)
            _insert(rows[order], actions[order], int(row), bundles, use, slack, *arguments)
    for _ in range(2):
        rows, actions, order = _to_insert(problem, bundles, net, None)
        _insert(rows[order], actions[order], -1, bundles, use, slack, *arguments)
    return bundles


def filled(problem: Problem, within: Inside, rules: Weights, order: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return the bundles after giving actions one by one in an order, as long as every limit holds.

    Args:
        problem: the night's problem.
        within: its rules within a customer.
        rules: its limits.
        order: customers' rows and actions, the first first.
    """
    bundles = np.zeros(len(problem.values), np.uint64)
    use = np.zeros(len(rules.bound))
    _insert(*order, -2, bundles, use, rules.bound.astype(float), *_arguments(problem, within, rules))
    return bundles


def total_use(problem: Problem, rules: Weights, bundles: np.ndarray) -> np.ndarray:
    """Return what bundles use of every limit (r,)."""
    use = np.zeros(len(rules.bound))
    for action in range(problem.values.shape[1]):
        rows = _chosen(bundles, action)
        for row in range(len(use)):
            use[row] += float(_use_of(problem, rules, row, rows, action).sum())
    return use


def total_value(problem: Problem, bundles: np.ndarray) -> float:
    """Return the sum of values of bundles."""
    total = 0.0
    for action in range(problem.values.shape[1]):
        rows = _chosen(bundles, action)
        total += float(problem.values[rows, action].astype(float).sum())
    return total


def _chosen(bundles: np.ndarray, action: int) -> np.ndarray:
    """Return the rows of the customers that get an action."""
    return np.flatnonzero(bundles >> np.uint64(action) & np.uint64(1))


def _use_of(problem: Problem, rules: Weights, row: int, rows: np.ndarray, action: int) -> np.ndarray:
    """Return what an action of the customers ``rows`` uses of the limit ``row``."""
    k = problem.segment[rows]
    costs, values = problem.costs[rows, action].astype(float), problem.values[rows, action].astype(float)
    use: np.ndarray = (
        rules.count[row, k, action] + rules.cost[row, k, action] * costs + rules.value[row, k, action] * values
    )
    return use


def _arguments(problem: Problem, within: Inside, rules: Weights) -> tuple[object, ...]:
    unit = np.repeat(np.arange(len(within.starts) - 1), np.diff(within.starts))
    return (
        problem.values, problem.costs, problem.segment, problem.allowance, within.groups, within.least, within.needs,
        within.must, within.starts, unit, within.household_most, rules.count, rules.cost, rules.value,
    )  # fmt: skip


def net_values(problem: Problem, net: tuple[np.ndarray, np.ndarray, np.ndarray], action: int) -> np.ndarray:
    """Return the values (n,) of an action after what its limits charge."""
    count, cost, value = net
    k, v = problem.segment, problem.values[:, action].astype(float)
    with np.errstate(invalid="ignore"):
        left: np.ndarray = v - count[k, action] - cost[k, action] * problem.costs[:, action] - value[k, action] * v
    return np.where(np.isfinite(v), left, -np.inf)


def _to_take_back(
    problem: Problem, rules: Weights, bundles: np.ndarray, net: tuple[np.ndarray, np.ndarray, np.ndarray], row: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return chosen actions that use a limit, and their order by what a unit taken back loses."""
    rows, actions, losses = [], [], []
    for action in range(problem.values.shape[1]):
        if not (
            rules.count[row, :, action].any() or rules.cost[row, :, action].any() or rules.value[row, :, action].any()
        ):
            continue
        chosen = _chosen(bundles, action)
        weight = _use_of(problem, rules, row, chosen, action)
        uses = weight > 0
        rows.append(chosen[uses])
        actions.append(np.full(uses.sum(), action))
        losses.append(net_values(problem, net, action)[chosen[uses]] / weight[uses])
    found = np.concatenate(rows), np.concatenate(actions)
    return *found, np.lexsort((found[1], found[0], np.concatenate(losses)))


def _to_insert(
    problem: Problem, bundles: np.ndarray, net: tuple[np.ndarray, np.ndarray, np.ndarray], only: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return actions that are not chosen, and their order by the net value they bring, the highest first.

    Where a customer has no place left, the action takes that of the chosen one of least net value.
    """
    rows, actions, gains = [], [], []
    taken = np.full(len(bundles), np.inf)
    number = np.zeros(len(bundles), np.int64)
    for action in range(problem.values.shape[1]):
        chosen = _chosen(bundles, action)
        taken[chosen] = np.minimum(taken[chosen], net_values(problem, net, action)[chosen])
        number[chosen] += 1
    taken = np.where((number < problem.allowance[:, 0]) | ~np.isfinite(taken), 0.0, taken)
    each = MOST_CANDIDATES // problem.values.shape[1] if only is None else MOST_CANDIDATES
    for action in range(problem.values.shape[1]):
        left = net_values(problem, net, action) - taken
        wanted = (bundles >> np.uint64(action) & np.uint64(1) == 0) & np.isfinite(left)
        wanted &= problem.values[:, action] > 0 if only is None else only[problem.segment, action]
        free = np.flatnonzero(wanted)
        if len(free) > each:  # the best of them; ties beyond the last one stay outside
            last = np.partition(left[free], len(free) - each)[len(free) - each]
            free = free[left[free] > last]
        rows.append(free)
        actions.append(np.full(len(free), action))
        gains.append(left[free])
    found = np.concatenate(rows), np.concatenate(actions)
    return *found, np.lexsort((found[1], found[0], -np.concatenate(gains)))


@njit(cache=True)
def _change(bundle, sign, i, change, values, costs, segment, count, cost, value):
    """Add (or take) what a customer's bundle uses of every limit."""
    rest = bundle
    total = 0.0
    while rest:
        j = trailing(rest)
        k = segment[i]
        for r in range(len(change)):
            change[r] += sign * (count[r, k, j] + cost[r, k, j] * costs[i, j] + value[r, k, j] * values[i, j])
        total += values[i, j]
        rest &= rest - np.uint64(1)
    return sign * total


@njit(cache=True)
def _take_back(
    rows, actions, row, bundles, use, slack, values, costs, segment, allowance, groups, least, needs, must, starts,
    unit, household_most, count, cost, value,
):  # fmt: skip
    change = np.zeros(len(use))
    for at in range(len(rows)):
        if use[row] <= slack[row]:
            return
        i, bit = rows[at], np.uint64(1) << np.uint64(actions[at])
        if not bundles[i] & bit:
            continue
        smaller = bundles[i] & ~bit
        again = True
        while again:  # what needs the action goes with it
            again = False
            rest = smaller
            while rest:
                j = trailing(rest)
                if needs[j] & ~smaller:
                    smaller &= ~(np.uint64(1) << np.uint64(j))
                    again = True
                rest &= rest - np.uint64(1)
        if met(smaller, must[i], groups, least) < met(bundles[i], must[i], groups, least):
            continue
        change[:] = 0
        _change(bundles[i], -1.0, i, change, values, costs, segment, count, cost, value)
        _change(smaller, 1.0, i, change, values, costs, segment, count, cost, value)
        bad = False
        for r in range(len(use)):
            # a limit that holds may not be broken by mending another
            if change[r] > 0 and use[r] <= slack[r] and use[r] + change[r] > slack[r]:
                bad = True
        if bad:
            continue
        bundles[i] = smaller
        use += change


@njit(cache=True)
def _insert(
    rows, actions, row, bundles, use, slack, values, costs, segment, allowance, groups, least, needs, must, starts,
    unit, household_most, count, cost, value,
):  # fmt: skip
    """Insert actions where limits allow; row >= 0: until that limit holds; -1: for gain, with swaps; -2: without."""
    change = np.zeros(len(use))
    for at in range(len(rows)):
        if row >= 0 and use[row] <= slack[row]:
            return
        i, bit = rows[at], np.uint64(1) << np.uint64(actions[at])
        if bundles[i] & bit:
            continue
        bundle = bit | needs[actions[at]]
        missing = bundle & ~bundles[i]
        forbidden = False
        while missing:
            if values[i, trailing(missing)] == -np.inf:
                forbidden = True
            missing &= missing - np.uint64(1)
        if forbidden:
            continue
        if row == -2:
            bundle |= bundles[i]
        else:  # what was there stays, as far as the customer's rules allow, the more valuable first
            rest = bundles[i] & ~bundle
            while rest:
                best = -1
                scan = rest
                while scan:
                    j = trailing(scan)
                    if best < 0 or values[i, j] > values[i, best]:
                        best = j
                    scan &= scan - np.uint64(1)
                one = np.uint64(1) << np.uint64(best)
                if allowed(bundle | one, groups, allowance[i], needs):
                    bundle |= one
                rest &= ~one
        if not allowed(bundle, groups, allowance[i], needs):
            continue
        if met(bundle, must[i], groups, least) < met(bundles[i], must[i], groups, least):
            continue
        if household_most:
            number = 0
            for other in range(starts[unit[i]], starts[unit[i] + 1]):
                rest = bundle if other == i else bundles[other]
                while rest:
                    number += 1
                    rest &= rest - np.uint64(1)
            if number > household_most:
                continue
        change[:] = 0
        gain = _change(bundles[i], -1.0, i, change, values, costs, segment, count, cost, value)
        gain += _change(bundle, 1.0, i, change, values, costs, segment, count, cost, value)
        if row < 0 and gain <= 0:
            continue
        if row >= 0 and change[row] >= 0:
            continue
        bad = False
        for r in range(len(use)):
            if change[r] > 0 and use[r] + change[r] > slack[r]:
                bad = True
                break
        if bad:
            continue
        bundles[i] = bundle
        use += change
