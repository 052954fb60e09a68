"""Allocate 50 offers on three channels under 30 rules to 20,000, 100,000 and 1,000,000 customers.

Each size is allocated beside three common ways: by falling value (greedy), first come first served, and in chunks of
1,000 customers with their part of each limit. An SQL script of its own (DuckDB) checks every rule on the rows that were
allocated. ``--exact N`` compares with the exact optimum by HiGHS, ``--prices N`` with what solving again brings.

    python bench/night/bench_allocation.py --customers 20000 100000 1000000
"""

from __future__ import annotations

import argparse
import resource
import time
from dataclasses import replace

import duckdb
import numpy as np
import pyarrow as pa
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from scoring.decisions.allocation import Allocation, allocate, customer_order
from scoring.decisions.bundles import inside
from scoring.decisions.problem import Group, Limit, Problem
from scoring.decisions.repair import filled, total_value

OFFERS = 50
CHANNELS = {"mail": range(0, 25), "app": range(25, 42), "call": range(42, 50)}
SEGMENTS = 8
#: what a contact costs by channel
COST = {"mail": 0.6, "app": 0.02, "call": 3.0}


def made_problem(n: int, seed: int = 20260101) -> Problem:
    """Return a problem of ``n`` customers, 50 offers and 30 rules.

    Values are log-normal per customer and offer, less the channel's cost; four in ten pairs are stopped by a gate.
    """
    draw = np.random.default_rng(seed)
    worth = draw.lognormal(0, 0.8, n).astype(np.float32)
    taste = draw.lognormal(0, 0.5, OFFERS).astype(np.float32)
    values = draw.gamma(0.7, 1.0, (n, OFFERS)).astype(np.float32)
    values *= worth[:, None]
    values *= taste
    costs = draw.random((n, OFFERS), np.float32)
    costs *= 0.5
    for channel, actions in CHANNELS.items():
        costs[:, list(actions)] += np.float32(COST[channel])
        values[:, list(actions)] *= np.float32(4.0 if channel == "call" else 1.0)
    values -= costs
    values[draw.random((n, OFFERS), np.float32) < 0.4] = -np.inf
    groups = (
        Group("two a week", tuple(range(OFFERS))),
        *(Group(f"one by {channel}", tuple(actions)) for channel, actions in CHANNELS.items()),
        Group("never 0 with 30", (0, 30)),
        Group("never 1 with 31", (1, 31)),
        Group("never 2 with 43", (2, 43)),
        Group("one win-back", (3, 4, 32, 44)),
    )
    allowance = np.ones((n, len(groups)), np.int8)
    allowance[:, 0] = draw.choice([0, 1, 2, 2], n)
    must = np.where(draw.random(n) < 0.01, np.uint64(1) << np.uint64(24), np.uint64(0))
    return Problem(
        values, costs, draw.integers(0, SEGMENTS, n).astype(np.int32), groups, allowance, made_limits(n),
        needs=((5, 33),), must=must, household=np.sort(draw.integers(0, int(n / 1.6) + 1, n)), household_most=3,
    )  # fmt: skip


def made_limits(n: int) -> tuple[Limit, ...]:
    """Return the 20 limits over all customers, in proportion to their number; one of them is only reported."""
    everything = tuple(range(OFFERS))
    mail, app, call = (tuple(actions) for actions in CHANNELS.values())
    return (
        Limit("capacity of mail", n * 0.30, mail, count=1),
        Limit("capacity of the app", n * 0.40, app, count=1),
        Limit("capacity of calls", n * 0.05, call, count=1),
        Limit("calls of agent group A", n * 0.02, call, count=1, segments=(0, 1)),
        Limit("calls of agent group B", n * 0.02, call, count=1, segments=(2, 3, 4)),
        Limit("budget", n * 0.35, everything, cost=1),
        Limit("budget of mail", n * 0.20, mail, cost=1),
        Limit("budget of segment 7", n * 0.03, everything, cost=1, segments=(7,)),
        Limit("average cost", 0, everything, cost=1, count=-0.9),
        Limit("cost as a share of value", 0, everything, cost=1, value=-0.5),
        *(Limit(f"stock of offer {j}", n * 0.01, (j,), count=1) for j in (6, 7, 8, 34, 35)),
        Limit("least of offer 9", -n * 0.01, (9,), count=-1),
        Limit("least of offer 36", -n * 0.02, (36,), count=-1),
        Limit("least of segment 5", -n * 0.02, everything, count=-1, segments=(5,)),
        Limit("at most in segment 0", n * 0.08, everything, count=1, segments=(0,)),
        Limit("offers 10 to 14", n * 0.05, tuple(range(10, 15)), count=1, report_only=True),
    )


def violations(problem: Problem, chosen: np.ndarray) -> list[str]:
    """Check every rule by SQL on the allocated rows; return the names of the broken ones with what was used."""
    rows, actions = np.nonzero(chosen)
    database = duckdb.connect()
    database.register("picked", pa.table({
        "customer": rows, "action": actions, "segment": problem.segment[rows], "household": problem.household[rows],
        "value": problem.values[rows, actions].astype(float), "cost": problem.costs[rows, actions].astype(float),
    }))  # fmt: skip
    customers = {f"allowance_{g}": problem.allowance[:, g] for g in range(len(problem.groups))}
    database.register(
        "customers", pa.table({"customer": np.arange(len(chosen)), "must": problem.must > 0, **customers})
    )
    broken = []

    def check(name: str, sql: str) -> None:
        number = database.execute(sql).fetchone()[0] or 0
        if number > 0:
            broken.append(f"{name}: {number}")

    for limit in problem.binding:
        here = f"action in {tuple(limit.actions)}".replace(",)", ")")
        if limit.segments is not None:
            here += f" and segment in {tuple(limit.segments)}".replace(",)", ")")
        total = f"sum({limit.count} + {limit.cost} * cost + {limit.value} * value)"
        allowed = limit.bound + 1e-6 * max(1.0, abs(limit.bound))
        check(limit.name, f"select greatest(coalesce({total}, 0) - {allowed!r}, 0) from picked where {here}")
    for g, group in enumerate(problem.groups):
        here = f"action in {tuple(group.actions)}"
        check(group.name, f"""select count(*) from (select customer, count(*) as number from picked where {here}
              group by customer) join customers using (customer) where number > allowance_{g}""")  # fmt: skip
    for first, second in problem.needs:
        check(f"{first} needs {second}", f"""select count(*) from picked as a where action = {first} and not exists
              (select 1 from picked as b where b.customer = a.customer and b.action = {second})""")  # fmt: skip
    check("household", f"""select count(*) from (select household from picked group by household
          having count(*) > {problem.household_most})""")  # fmt: skip
    check("stopped by a gate", "select count(*) from picked where value < -1e30")
    return broken


def greedy(problem: Problem, by_customer: bool) -> float:
    """Return the value of giving actions by falling value, or customer by customer as they come."""
    useful = np.isfinite(problem.values) & (problem.values > 0)
    rows, actions = np.nonzero(useful)
    gains = problem.values[rows, actions]
    order = np.lexsort((-gains, rows)) if by_customer else np.lexsort((actions, rows, -gains))
    rules = problem.weights(problem.binding)
    bundles = filled(problem, inside(problem), rules, (rows[order], actions[order]))
    return total_value(problem, bundles)


def in_chunks(problem: Problem, most: int = 100) -> float:
    """Return the value of chunks of some 1,000 customers, limits divided; of more than ``most`` chunks, as many."""
    n = len(problem.values)
    pieces = np.array_split(np.arange(n), n // 1000)
    total = 0.0
    for rows in pieces[:most]:
        share = len(rows) / n
        limits = tuple(replace(limit, bound=limit.bound * share) for limit in problem.limits)
        total += allocate(replace(problem.rows(rows), limits=limits), rows).value
    return total * len(pieces) / len(pieces[:most])


def exact(problem: Problem, seconds: float) -> tuple[float, float]:
    """Return the exact optimum by HiGHS (best known, and bound), for problems without duties and households."""
    rows, actions = np.nonzero(np.isfinite(problem.values))
    size, n = len(rows), len(problem.values)
    gains = problem.values[rows, actions].astype(float)
    k, c = problem.segment[rows], problem.costs[rows, actions].astype(float)
    rules = problem.weights(problem.binding)
    use = rules.count[:, k, actions] + rules.cost[:, k, actions] * c + rules.value[:, k, actions] * gains
    constraints = [LinearConstraint(sparse.csr_matrix(use), -np.inf, rules.bound)]
    for g, group in enumerate(problem.groups):
        inside_group = np.flatnonzero(np.isin(actions, group.actions))
        matrix = sparse.csr_matrix((np.ones(len(inside_group)), (rows[inside_group], inside_group)), (n, size))
        constraints.append(LinearConstraint(matrix, -np.inf, problem.allowance[:, g].astype(float)))
    options = {"time_limit": seconds, "mip_rel_gap": 1e-5}
    result = milp(-gains, constraints=constraints, integrality=np.ones(size), bounds=Bounds(0, 1), options=options)
    best = float("nan") if result.x is None else -result.fun
    return best, float("nan") if result.mip_dual_bound is None else -result.mip_dual_bound


def price_errors(problem: Problem, result: Allocation, keys: np.ndarray) -> None:
    """Print prices beside what 1 % more of each limit brings when solved again."""
    print("| limit | price | by solving again | difference |\n|---|---|---|---|")
    for place, use in enumerate(result.uses):
        if use.price <= 1e-6 or use.limit.bound == 0:
            continue
        step = 0.01 * abs(use.limit.bound)
        ends = []
        for change in (-step / 2, step / 2):
            limits = list(problem.limits)
            limits[place] = replace(use.limit, bound=use.limit.bound + change)
            ends.append(allocate(replace(problem, limits=tuple(limits)), keys).bound)
        again = (ends[1] - ends[0]) / step
        print(f"| {use.limit.name} | {use.price:.4f} | {again:.4f} | {use.price / again - 1:+.1%} |", flush=True)


def run_size(n: int, others: bool) -> None:
    """Print one row of the table."""
    problem = made_problem(n)
    keys = np.arange(n)
    problem = problem.rows(customer_order(problem, keys))
    start = time.perf_counter()
    result = allocate(problem, keys)
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    broken = violations(problem, result.chosen)
    losses = "| | |"
    if others:
        values = (greedy(problem, False), greedy(problem, True), in_chunks(problem))
        losses = "| ".join(f"{value / result.value - 1:+.1%} " for value in values)
    print(
        f"| {n:,} | {result.value:,.0f} | {result.gap:.4%} | {seconds:.1f} s | {memory:.2f} GiB | {result.rounds} | "
        f"{broken or 'none'} | {losses} |",
        flush=True,
    )


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, nargs="*", default=[])
    parser.add_argument("--exact", type=int, nargs="*", default=[], help="sizes to solve exactly as well")
    parser.add_argument("--prices", type=int, help="size at which prices are compared with solving again")
    parser.add_argument("--seconds", type=float, default=300, help="of HiGHS at one size")
    parser.add_argument("--alone", action="store_true", help="leave the three other ways out")
    options = parser.parse_args()
    if options.customers:
        print("| customers | value | gap | time | memory | rounds | broken rules | greedy | first come | chunks |")
        print("|---|---|---|---|---|---|---|---|---|---|")
    for n in options.customers:
        run_size(n, not options.alone)
    for n in options.exact:
        problem = replace(made_problem(n), must=None, needs=(), household=None, household_most=0)
        start = time.perf_counter()
        result = allocate(problem, np.arange(n))
        middle = time.perf_counter()
        best, bound = exact(problem, options.seconds)
        print(
            f"{n:,} customers: allocated {result.value:,.2f} in {middle - start:.1f} s (bound {result.bound:,.2f}); "
            f"HiGHS {best:,.2f} in {time.perf_counter() - middle:.1f} s (bound {bound:,.2f}); "
            f"of the exact value {result.value / best:.4%}",
            flush=True,
        )
    if options.prices:
        problem, keys = made_problem(options.prices), np.arange(options.prices)
        price_errors(problem, allocate(problem, keys), keys)


if __name__ == "__main__":
    main()
