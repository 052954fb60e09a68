"""The best actions of every customer at given prices: an exact search within each customer and household.

n = customers, a = actions, g = groups, s = segments. The loops are compiled; sums are taken over fixed parts of the
customers in a fixed order, so that results do not depend on the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, prange

from scoring.decisions.problem import Problem, bits

#: customers' parts over which sums are taken
PARTS = 64


@dataclass(frozen=True)
class Inside:
    """The rules within a customer, as the compiled search takes them; customers of a household stand together."""

    groups: np.ndarray
    least: np.ndarray
    needs: np.ndarray
    must: np.ndarray
    starts: np.ndarray
    household_most: int


def inside(problem: Problem) -> Inside:
    """Return the rules within a customer as arrays."""
    n, actions = problem.values.shape
    needs = np.zeros(actions, np.uint64)
    for first, second in problem.needs:
        needs[first] |= np.uint64(1 << second)
    starts = np.arange(n + 1)
    if problem.household is not None and problem.household_most:
        change = np.flatnonzero(np.diff(problem.household)) + 1
        starts = np.concatenate([[0], change, [n]])
    return Inside(
        np.array([bits(group.actions) for group in problem.groups], np.uint64),
        np.array([group.least for group in problem.groups], np.int64),
        needs,
        np.zeros(n, np.uint64) if problem.must is None else problem.must.astype(np.uint64),
        starts.astype(np.int64),
        problem.household_most,
    )


@dataclass(frozen=True)
class Choice:
    """What is best at given prices: ``bundles`` uint64 (n,), their net value, and sums (s, a) of what they use."""

    bundles: np.ndarray
    net: float
    count: np.ndarray
    cost: np.ndarray
    value: np.ndarray


def best_bundles(problem: Problem, rules: Inside, prices: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Choice:
    """Return each customer's best actions where actions are charged.

    Args:
        problem: values, costs and allowances.
        rules: from :func:`inside`.
        prices: three arrays (s, a): the charge of one action, of one unit of its cost, and of its value.
    """
    bundles, net, count, cost, value = _search(
        problem.values, problem.costs, problem.segment, problem.allowance,
        rules.groups, rules.least, rules.needs, rules.must, rules.starts, rules.household_most, *prices,
    )  # fmt: skip
    return Choice(bundles, float(net.sum()), count.sum(0), cost.sum(0), value.sum(0))


@njit(cache=True)
def allowed(bundle, groups, allowance, needs):
    """Return whether a customer may get these actions together."""
    return within_groups(bundle, groups, allowance) and has_needs(bundle, needs)


@njit(cache=True)
def within_groups(bundle, groups, allowance):
    """Return whether no group has more actions in the bundle than the customer may get of it."""
    for g in range(len(groups)):  # noqa: SIM110 - numba compiles no generator
        if popcount(bundle & groups[g]) > allowance[g]:
            return False
    return True


@njit(cache=True)
def has_needs(bundle, needs):
    """Return whether every action in the bundle has what it needs with it."""
    rest = bundle
    while rest:
        action = trailing(rest)
        if needs[action] & ~bundle:
            return False
        rest &= rest - np.uint64(1)
    return True


@njit(cache=True)
def popcount(x):
    """Return the number of bits that are set."""
    count = 0
    while x:
        x &= x - np.uint64(1)
        count += 1
    return count


@njit(cache=True)
def trailing(x):
    """Return the number of the lowest bit that is set."""
    place = 0
    while not x & np.uint64(1):
        x >>= np.uint64(1)
        place += 1
    return place


@njit(cache=True)
def met(bundle, must, groups, least):
    """Return how many of the actions that a customer has to get are in the bundle."""
    number = popcount(bundle & must)
    for g in range(len(groups)):
        if least[g]:
            number += min(least[g], popcount(bundle & groups[g]))
    return number


@njit(cache=True)
def _best(net, order, size, groups, least, allowance, needs, must, best_met, best_net, best_bundle):
    """Find the best bundles of exactly 0, 1, ... actions by depth-first search with a bound.

    ``order`` lists the candidates by falling net value; an entry of ``best_*`` is per number of actions.
    """
    most = len(best_net) - 1
    has_duty = must != np.uint64(0) or least.max() > 0
    stack = np.zeros(most + 1, np.int64)
    bundles = np.zeros(most + 1, np.uint64)
    sums = np.zeros(most + 1)
    depth = 0
    stack[0] = 0
    while depth >= 0:
        at = stack[depth]
        if at >= size or depth == most:
            depth -= 1
            continue
        action = order[at]
        stack[depth] = at + 1
        # no bundle that goes on from here can be better: candidates come by falling net value
        if not has_duty:
            hope, improves = sums[depth], False
            for more in range(1, most - depth + 1):
                if at + more - 1 >= size:
                    break
                hope += net[order[at + more - 1]]
                if hope > best_net[depth + more]:
                    improves = True
                    break
            if not improves:
                depth -= 1
                continue
        bundle = bundles[depth] | (np.uint64(1) << np.uint64(action))
        if not within_groups(bundle, groups, allowance):
            continue
        total = sums[depth] + net[action]
        if has_needs(bundle, needs):
            duty = met(bundle, must, groups, least) if has_duty else 0
            better = duty > best_met[depth + 1] or (duty == best_met[depth + 1] and total > best_net[depth + 1])
            if better:
                best_met[depth + 1], best_net[depth + 1], best_bundle[depth + 1] = duty, total, bundle
        bundles[depth + 1], sums[depth + 1], stack[depth + 1] = bundle, total, at + 1
        depth += 1


@njit(parallel=True, cache=True)
def _search(
    values,
    costs,
    segment,
    allowance,
    groups,
    least,
    needs,
    must,
    starts,
    household_most,
    per_count,
    per_cost,
    per_value,
):
    n, a = values.shape
    s = per_count.shape[0]
    out = np.zeros(n, np.uint64)
    net_of = np.zeros(PARTS)
    count, cost, value = np.zeros((PARTS, s, a)), np.zeros((PARTS, s, a)), np.zeros((PARTS, s, a))
    units = len(starts) - 1
    any_needs = needs.max() > 0
    any_least = least.max() > 0
    for part in prange(PARTS):
        net = np.empty(a)
        order = np.empty(a, np.int64)
        first, last = units * part // PARTS, units * (part + 1) // PARTS
        for unit in range(first, last):
            begin, end = starts[unit], starts[unit + 1]
            size_of = end - begin
            cap = household_most if household_most else a
            # state of the household after its members: by number of actions so far
            width = (cap if household_most else 0) + 1
            alone = size_of == 1
            rows = 0 if alone else size_of + 1
            dp_net = np.full((rows, width), -np.inf)
            dp_met = np.full((rows, width), -1, np.int64)
            dp_from = np.zeros((rows, width), np.int64)
            dp_bundle = np.zeros((rows, width), np.uint64)
            if not alone:
                dp_net[0, 0] = 0.0
                dp_met[0, 0] = 0
            for member in range(size_of):
                i = begin + member
                k = segment[i]
                size = 0
                duty = must[i] != np.uint64(0) or any_needs or any_least
                for j in range(a):
                    v = values[i, j]
                    if v == -np.inf:
                        continue
                    x = v - per_count[k, j] - per_cost[k, j] * costs[i, j] - per_value[k, j] * v
                    net[j] = x
                    if x > 0 or duty:
                        at = size  # insertion by falling net value, ties by the action's number
                        while at > 0 and net[order[at - 1]] < x:
                            order[at] = order[at - 1]
                            at -= 1
                        order[at] = j
                        size += 1
                most = min(min(allowance[i, 0], size), cap)
                best_net = np.full(most + 1, -np.inf)
                best_met = np.full(most + 1, -1, np.int64)
                best_bundle = np.zeros(most + 1, np.uint64)
                best_net[0] = 0.0
                best_met[0] = 0
                if most:
                    _best(
                        net, order, size, groups, least, allowance[i], needs, must[i], best_met, best_net, best_bundle
                    )
                if alone:
                    pick = 0
                    for number in range(1, most + 1):
                        if best_met[number] > best_met[pick] or (
                            best_met[number] == best_met[pick] and best_net[number] > best_net[pick]
                        ):
                            pick = number
                    out[i] = best_bundle[pick]
                    net_of[part] += best_net[pick]
                    continue
                for before in range(width):
                    if dp_met[member, before] < 0:
                        continue
                    for number in range(most + 1):
                        after = before + number
                        if best_met[number] < 0 or after >= width:
                            continue
                        m = dp_met[member, before] + best_met[number]
                        x = dp_net[member, before] + best_net[number]
                        if m > dp_met[member + 1, after] or (
                            m == dp_met[member + 1, after] and x > dp_net[member + 1, after]
                        ):
                            dp_met[member + 1, after], dp_net[member + 1, after] = m, x
                            dp_from[member + 1, after], dp_bundle[member + 1, after] = before, best_bundle[number]
            if not alone:
                pick = 0
                for number in range(width):
                    if dp_met[size_of, number] > dp_met[size_of, pick] or (
                        dp_met[size_of, number] == dp_met[size_of, pick]
                        and dp_net[size_of, number] > dp_net[size_of, pick]
                    ):
                        pick = number
                net_of[part] += dp_net[size_of, pick]
                for member in range(size_of, 0, -1):
                    out[begin + member - 1] = dp_bundle[member, pick]
                    pick = dp_from[member, pick]
            for i in range(begin, end):
                rest = out[i]
                while rest:
                    j = trailing(rest)
                    count[part, segment[i], j] += 1
                    cost[part, segment[i], j] += costs[i, j]
                    value[part, segment[i], j] += values[i, j]
                    rest &= rest - np.uint64(1)
    return out, net_of, count, cost, value
