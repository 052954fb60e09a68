"""What is allocated: values of customers and actions, limits over all customers, and rules within a customer.

n = customers, a = actions (an offer on a channel, at most 64), r = limits, g = groups of actions, s = segments.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

#: actions fit into the bits of one number
MOST_ACTIONS = 64


@dataclass(frozen=True)
class Limit:
    """A sum over all customers that may not be exceeded: ``sum(count + cost x costs + value x values) <= bound``.

    A capacity or a stock counts; a budget sums costs; an average of costs at most c is ``cost 1, count -c, bound 0``;
    costs of at most a share q of the values are ``cost 1, value -q, bound 0``; a minimum quantity is a negated one.
    """

    name: str
    bound: float
    actions: tuple[int, ...]
    count: float = 0.0
    cost: float = 0.0
    value: float = 0.0
    segments: tuple[int, ...] | None = None
    report_only: bool = False


@dataclass(frozen=True)
class Group:
    """Actions of which one customer gets at most some, and at least some where that is possible.

    How many at most is the customer's own allowance: what a sliding window has left. "Never A with B" is a group of
    both with an allowance of 1.
    """

    name: str
    actions: tuple[int, ...]
    least: int = 0


@dataclass(frozen=True)
class Problem:
    """One night's problem.

    Attributes:
        values: float32 (n, a): what the contact adds; ``-inf`` where a gate stopped the action.
        costs: float32 (n, a): what the contact is expected to cost, in the same currency.
        segment: int32 (n,): the segment of every customer, 0 to s - 1.
        groups: rules within a customer; g of them, the first over all actions.
        allowance: int8 (n, g): how many actions of the group the customer may still get.
        limits: r limits over all customers.
        needs: pairs (A, B): A only together with B.
        must: uint64 (n,): bits of the actions that the customer gets wherever their groups allow.
        household: int64 (n,): customers of equal number share ``household_most``.
        household_most: actions of one household; 0: no such rule.
    """

    values: np.ndarray
    costs: np.ndarray
    segment: np.ndarray
    groups: tuple[Group, ...]
    allowance: np.ndarray
    limits: tuple[Limit, ...] = ()
    needs: tuple[tuple[int, int], ...] = ()
    must: np.ndarray | None = None
    household: np.ndarray | None = None
    household_most: int = 0

    def __post_init__(self) -> None:
        """Refuse shapes that do not fit each other.

        Raises:
            ValueError: with all faults.
        """
        n, actions = self.values.shape
        shapes = {
            "costs": (self.costs.shape, (n, actions)),
            "segment": (self.segment.shape, (n,)),
            "allowance": (self.allowance.shape, (n, len(self.groups))),
        }
        faults = [
            f"{name} has the shape {have}; expected {want}" for name, (have, want) in shapes.items() if have != want
        ]
        if actions > MOST_ACTIONS:
            faults.append(f"{actions} actions; at most {MOST_ACTIONS} are allocated at once")
        if not self.groups or set(self.groups[0].actions) != set(range(actions)):
            faults.append("the first group has to hold all actions: it limits how many a customer gets")
        if faults:
            raise ValueError("; ".join(faults))

    @property
    def binding(self) -> tuple[Limit, ...]:
        """The limits that are kept; the others are only reported."""
        return tuple(limit for limit in self.limits if not limit.report_only)

    def weights(self, limits: tuple[Limit, ...]) -> Weights:
        """Return limits over this problem's segments and actions as arrays."""
        return weights(limits, int(self.segment.max(initial=0)) + 1, self.values.shape[1])

    def rows(self, rows: np.ndarray) -> Problem:
        """Return the problem of some customers, in the order of ``rows``; the limits stay as they are."""
        return replace(
            self,
            values=np.ascontiguousarray(self.values[rows]),
            costs=np.ascontiguousarray(self.costs[rows]),
            segment=self.segment[rows],
            allowance=np.ascontiguousarray(self.allowance[rows]),
            must=None if self.must is None else self.must[rows],
            household=None if self.household is None else self.household[rows],
        )


@dataclass(frozen=True)
class Weights:
    """The limits as arrays (r, s, a): what one action of a customer of a segment uses of every limit."""

    count: np.ndarray
    cost: np.ndarray
    value: np.ndarray
    bound: np.ndarray = field(repr=False)


def weights(limits: tuple[Limit, ...], segments: int, actions: int) -> Weights:
    """Return the limits as arrays.

    >>> weights((Limit("mail", 10, (1,), count=1),), 1, 2).count.tolist()
    [[[0.0, 1.0]]]
    """
    parts = {name: np.zeros((len(limits), segments, actions)) for name in ("count", "cost", "value")}
    for row, limit in enumerate(limits):
        cells = np.zeros((segments, actions), bool)
        where = list(range(segments)) if limit.segments is None else list(limit.segments)
        cells[np.ix_(where, list(limit.actions))] = True
        for name, part in parts.items():
            part[row][cells] = getattr(limit, name)
    return Weights(**parts, bound=np.array([limit.bound for limit in limits], float))


def bits(actions: tuple[int, ...]) -> np.uint64:
    """Return the actions as bits.

    >>> int(bits((0, 3)))
    9
    """
    return np.uint64(sum(1 << action for action in set(actions)))
