from __future__ import annotations

import itertools

import numpy as np
import pytest

from scoring.decisions.allocation import allocate
from scoring.decisions.problem import Group, Limit, Problem


def problem(values, limits=(), costs=None, most=1, groups=(), allowance=None, **more) -> Problem:
    values = np.array(values, np.float32)
    n, a = values.shape
    all_groups = (Group("all", tuple(range(a))), *groups)
    given = np.full((n, len(all_groups)), 1, np.int8) if allowance is None else np.array(allowance, np.int8)
    given[:, 0] = most
    return Problem(
        values,
        np.ones((n, a), np.float32) if costs is None else np.array(costs, np.float32),
        np.zeros(n, np.int32) if "segment" not in more else more.pop("segment"),
        all_groups,
        given,
        tuple(limits),
        **more,
    )


def chosen(result) -> list[list[int]]:
    return [np.flatnonzero(row).tolist() for row in result.chosen]


def test_without_limits_everybody_gets_the_best_and_nobody_what_loses():
    result = allocate(problem([[3, 1], [-1, -2], [2, 5]]), np.arange(3))
    assert chosen(result) == [[0], [], [1]]
    assert result.value == 8
    assert result.gap == 0


def test_a_capacity_goes_to_whom_it_brings_most_and_has_a_price():
    # one mail (action 0): customer 0 gains 5 over letter's 1, customer 1 gains 4 over 3, so 0 gets the mail
    values = [[6, 1], [7, 6], [3, 0.5]]
    result = allocate(problem(values, [Limit("mail", 1, (0,), count=1)]), np.arange(3))
    assert chosen(result) == [[0], [1], [1]]
    assert result.value == 12.5
    assert result.uses[0].used == 1
    assert not result.uses[0].broken
    assert result.bound >= 12.5
    # one more mail would bring 2.5 (customer 2), one less would lose 5 - a price lies between
    assert 2.5 - 0.01 <= result.uses[0].price <= 5.01


def test_a_minimum_is_met_at_the_least_loss():
    result = allocate(problem([[5, 4.5], [5, 1], [5, 0]], [Limit("least", -1, (1,), count=-1)]), np.arange(3))
    assert chosen(result) == [[1], [0], [0]]


def test_a_minimum_that_cannot_be_met_is_reported_broken():
    result = allocate(problem([[5, -np.inf]], [Limit("least", -1, (1,), count=-1)]), np.arange(1))
    assert result.uses[0].broken


def test_rules_within_a_customer():
    never_together = Group("never 0 with 1", (0, 1))
    result = allocate(problem([[5, 4, 3]], most=2, groups=[never_together]), np.arange(1))
    assert chosen(result) == [[0, 2]]
    needs = allocate(problem([[5, -1, 3]], most=2, needs=((0, 1),)), np.arange(1))
    assert chosen(needs) == [[0, 1]]
    must = allocate(problem([[5, -1, 3]], most=1, must=np.array([2], np.uint64)), np.arange(1))
    assert chosen(must) == [[1]]
    least = allocate(problem([[5, -1, -2]], most=2, groups=[Group("service", (1, 2), least=1)]), np.arange(1))
    assert chosen(least) == [[0, 1]]


def test_a_household_shares_its_contacts():
    values = [[5, 4], [6, 1], [1, 2]]
    shared = problem(values, most=2, household=np.array([7, 7, 8]), household_most=2)
    assert chosen(allocate(shared, np.arange(3))) == [[0], [0], [0, 1]]


def test_an_average_and_a_share():
    # average cost at most 2: the expensive action (cost 3) needs as many cheap ones (cost 1)
    values, costs = [[4, 1], [9, 1], [5, 1]], [[3, 1]] * 3
    limit = Limit("average cost", 0, (0, 1), cost=1, count=-2)
    result = allocate(problem(values, [limit], costs), np.arange(3))
    assert result.value == 11  # one expensive one (9), two cheap ones; two expensive ones would average 7 / 3
    limited = allocate(
        problem(values, [limit, Limit("report", 0, (0,), count=1, report_only=True)], costs), np.arange(3)
    )
    assert limited.uses[1].broken
    assert limited.value == 11


def test_a_limit_of_a_segment_binds_there_alone():
    limit = Limit("mail in segment 1", 0, (0,), count=1, segments=(1,))
    result = allocate(problem([[5], [5]], [limit], segment=np.array([0, 1], np.int32)), np.arange(2))
    assert chosen(result) == [[0], []]


def test_a_key_that_stands_twice_is_refused():
    with pytest.raises(ValueError, match="stands twice"):
        allocate(problem([[1], [1]]), np.array(["a", "a"]))


def random_problem(n: int, seed: int) -> Problem:
    draw = np.random.default_rng(seed)
    values = draw.gamma(1, 2, (n, 4)).astype(np.float32) - 1
    values[draw.random((n, 4)) < 0.3] = -np.inf
    limits = [
        Limit("stock", n // 4, (0,), count=1),
        Limit("budget", n / 3, (0, 1, 2), cost=1),
        Limit("least", -n // 10, (3,), count=-1),
    ]
    return problem(values, limits, draw.random((n, 4)), most=2, groups=[Group("0 or 1", (0, 1))])


def best_by_trial(small: Problem) -> float:
    """Return the best value over all combinations of bundles, by trying them."""
    n, a = small.values.shape
    bundles = [b for size in range(3) for b in itertools.combinations(range(a), size) if not {0, 1} <= set(b)]
    best = -np.inf
    for pick in itertools.product(bundles, repeat=n):
        value = sum(float(small.values[i, j]) for i, b in enumerate(pick) for j in b)
        if value <= best:
            continue
        use = [
            sum(
                limit.count + limit.cost * float(small.costs[i, j])
                for i, b in enumerate(pick)
                for j in b
                if j in limit.actions
            )
            for limit in small.limits
        ]
        if all(u <= limit.bound + 1e-9 for u, limit in zip(use, small.limits, strict=True)):
            best = value
    return best


@pytest.mark.parametrize("seed", range(4))
def test_the_bound_is_above_the_best_of_all_combinations_and_the_value_near_it(seed):
    small = random_problem(5, seed)
    result, best = allocate(small, np.arange(5)), best_by_trial(small)
    assert result.bound >= best - 1e-5
    assert not any(use.broken for use in result.uses)
    assert 0.7 * best <= result.value <= best + 1e-5  # so few customers leave a gap that many close


def test_many_customers_leave_a_small_gap_in_any_order():
    large = random_problem(3000, 9)
    keys = np.array([f"c{i:05d}" for i in range(3000)])
    result = allocate(large, keys)
    assert result.gap < 0.002
    assert not any(use.broken for use in result.uses)
    order = np.random.default_rng(1).permutation(3000)
    again = allocate(large.rows(order), keys[order])
    assert (again.chosen == result.chosen[order]).all()
    assert again.value == result.value
    assert again.bound == result.bound
