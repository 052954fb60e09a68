"""Decisions made by hand: two products are the same, or they are not, whatever their titles say.

"Same" is transitive, "apart" holds between whole groups of the same. A line that contradicts the lines before it is
refused and told; the others hold for ever, through every clustering.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

SAME, APART = "same", "apart"


@dataclass(frozen=True)
class Decision:
    """One line: ``line`` is its number in the file."""

    line: int
    product: str
    other: str
    decision: str


@dataclass(frozen=True)
class Member:
    """A decided product as the clustering left it: its cluster, how large that is, and its place in it."""

    cluster: str
    products: int
    is_clusteroid: bool
    confidence: float


@dataclass
class Decisions:
    """The lines that hold, as groups of the same product and pairs of groups that are apart."""

    group: dict[str, str] = field(default_factory=dict)
    apart: list[tuple[str, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def find(self, product: str) -> str:
        """Return the product that names the group of ``product``."""
        while self.group.get(product, product) != product:
            product = self.group[product]
        return product

    def members(self) -> dict[str, list[str]]:
        """Return the groups: name -> its products, ascending."""
        groups: dict[str, list[str]] = {}
        for product in sorted(self.group):
            groups.setdefault(self.find(product), []).append(product)
        return groups


def resolve(lines: Iterable[Decision]) -> Decisions:
    """Take the lines in their order; each that contradicts what holds already is refused.

    >>> same = [Decision(2, "a", "b", "same"), Decision(3, "b", "c", "same"), Decision(4, "c", "a", "apart")]
    >>> resolve(same).refused
    ['line 4 says that c and a are apart; the lines before it make them the same']
    """
    decisions = Decisions()
    for line in lines:
        for product in (line.product, line.other):
            decisions.group.setdefault(product, product)
        one, other = decisions.find(line.product), decisions.find(line.other)
        what = f"line {line.line} says that {line.product} and {line.other} are"
        if line.decision == SAME and any(
            {decisions.find(a), decisions.find(b)} == {one, other} for a, b in decisions.apart
        ):
            decisions.refused.append(f"{what} the same; the lines before it keep them apart")
        elif line.decision == SAME:
            decisions.group[max(one, other)] = min(one, other)
        elif one == other:
            decisions.refused.append(f"{what} apart; the lines before it make them the same")
        else:
            decisions.apart.append((line.product, line.other))
    return decisions


def moves(decisions: Decisions, present: Mapping[str, Member]) -> tuple[dict[str, str], dict[str, str]]:
    """Return what the decisions change in the clusters.

    Clusters that hold products of one group become the largest of them. Where two products that are apart share a
    cluster, the group of the one that is less at home there leaves it.

    Args:
        decisions: what holds.
        present: the decided products that the catalogue has.

    Returns:
        Clusters to rename (old -> new), and products to move into clusters of their own (product -> new cluster).
    """
    merged: dict[str, str] = {}

    def now(cluster: str) -> str:
        while cluster in merged:
            cluster = merged[cluster]
        return cluster

    groups = {name: [name_of for name_of in group if name_of in present] for name, group in decisions.members().items()}
    sizes = {member.cluster: member.products for member in present.values()}
    for group in groups.values():
        clusters = sorted({now(present[member].cluster) for member in group}, key=lambda name: (-sizes[name], name))
        for other in clusters[1:]:
            sizes[clusters[0]] += sizes[other]
            merged[other] = clusters[0]
    moved: dict[str, str] = {}
    for a, b in decisions.apart:
        sides = [groups.get(decisions.find(side), []) for side in (a, b)]
        if not all(sides):
            continue
        places = [moved.get(side[0]) or now(present[side[0]].cluster) for side in sides]
        if places[0] == places[1]:
            leaving = min(sides, key=lambda side: (_home(side, present), side[0]))
            moved |= dict.fromkeys(leaving, f"apart:{leaving[0]}")
    return {name: now(name) for name in merged}, moved


def _home(side: list[str], present: Mapping[str, Member]) -> tuple[bool, float]:
    """Tell how much at home a group is in its cluster."""
    return any(present[member].is_clusteroid for member in side), max(present[member].confidence for member in side)
