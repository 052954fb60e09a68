"""Exact TreeSHAP of small trees by table: what a tree adds depends only on which way each of its few splits went.

A tree of s splits has 2^s outcomes. What each input adds in each of them is worked out once, from the definition of the
Shapley value (absent inputs follow both branches, weighted by training rows), and looked up for every customer. n =
rows, d = inputs, u = inputs that a tree asks about.

References: Lundberg et al. (2020), "From local explanations to global understanding with explainable AI for trees"
(the values); Yang (2021), "Fast TreeSHAP: Accelerating SHAP Value Computation for Trees" (v2, tables per leaf).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np

#: splits of a tree up to which its table is small
MOST_SPLITS = 8
_ZERO = 1e-35


@dataclass(frozen=True)
class TreeSplit:
    """``x[column] <= limit`` goes left; what is missing (NaN, or zero too) goes where ``missing_left`` says.

    ``missing`` is LightGBM's: "NaN", "Zero", or "None", where NaN counts as zero.
    """

    column: int
    limit: float
    missing: str
    missing_left: bool

    def left(self, x: np.ndarray) -> np.ndarray:
        """Tell which rows go left (n,), from the values of :attr:`column`."""
        if self.missing == "None":
            return np.where(np.isnan(x), 0.0, x) <= self.limit
        gone = np.isnan(x) | (np.abs(x) <= _ZERO) if self.missing == "Zero" else np.isnan(x)
        return np.where(gone, self.missing_left, x <= self.limit)


@dataclass(frozen=True)
class TreeTable:
    """A tree: its ``splits``, the ``columns`` they ask about (u,), and what each adds, ``added`` (u, 2^s).

    Bit j of an outcome says that split j went left.
    """

    splits: tuple[TreeSplit, ...]
    columns: tuple[int, ...]
    added: np.ndarray


def tables(trees: Sequence[Mapping[str, Any]]) -> list[TreeTable] | None:
    """Work out the tables of a LightGBM model.

    Args:
        trees: ``dump_model()["tree_info"]``.

    Returns:
        A table per tree that splits at all; None: a tree has more than :data:`MOST_SPLITS` splits, or one by category.
    """
    tables = []
    for tree in trees:
        nodes = list(_splits(tree["tree_structure"]))
        if len(nodes) > MOST_SPLITS or any(node["decision_type"] != "<=" for node in nodes):
            return None
        if nodes:
            tables.append(_table(tree["tree_structure"], nodes))
    return tables


def contributions(held: Sequence[TreeTable], x: np.ndarray) -> np.ndarray:
    """Return what each input adds to the sum of the trees (n, d), against their expectation.

    Args:
        held: result of :func:`tables`.
        x: the rows (n, d), float64, NaN where there is no value. O(n x splits) comparisons and look-ups.
    """
    columns = np.ascontiguousarray(x.T)
    total = np.zeros_like(columns)
    for tree in held:
        outcome = np.zeros(len(x), dtype="int64")
        for bit, split in enumerate(tree.splits):
            outcome |= split.left(columns[split.column]).astype("int64") << bit
        for column, added in zip(tree.columns, tree.added, strict=True):
            total[column] += added[outcome]
    return total.T


def _splits(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "split_index" in node:
        yield node
        yield from _splits(node["left_child"])
        yield from _splits(node["right_child"])


def _table(root: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> TreeTable:
    columns = sorted({node["split_feature"] for node in nodes})
    bits = {node["split_index"]: bit for bit, node in enumerate(nodes)}
    outcome, subset = np.arange(2 ** len(nodes))[:, None], np.arange(2 ** len(columns))

    def expected(node: Mapping[str, Any]) -> np.ndarray:
        """Return the node's value by outcome and by the set of inputs that are known (2^s, 2^u)."""
        if "split_index" not in node:
            return np.full((1, 1), node["leaf_value"])
        left, right = expected(node["left_child"]), expected(node["right_child"])
        weight = _rows(node["left_child"]) / (_rows(node["left_child"]) + _rows(node["right_child"]))
        goes_left = outcome >> bits[node["split_index"]] & 1 == 1
        present = subset >> columns.index(node["split_feature"]) & 1 == 1
        return np.where(present, np.where(goes_left, left, right), weight * left + (1 - weight) * right)

    value, size = expected(root), np.array([int(bits).bit_count() for bits in subset])
    u = len(columns)
    shares = np.array([factorial(k) * factorial(u - k - 1) / factorial(u) for k in range(u)])
    added = []
    for place in range(u):
        without = subset[subset >> place & 1 == 0]
        added.append((value[:, without | 1 << place] - value[:, without]) @ shares[size[without]])
    splits = tuple(
        TreeSplit(node["split_feature"], node["threshold"], node["missing_type"], node["default_left"])
        for node in nodes
    )
    return TreeTable(splits, tuple(columns), np.stack(added))


def _rows(node: Mapping[str, Any]) -> int:
    return int(node["internal_count" if "split_index" in node else "leaf_count"])
