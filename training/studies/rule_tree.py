"""Causes in a few rules: a shallow tree whose leaves are conditions that people can read, checked on a later period.

A rule names customers among whom an outcome is more or less common; it does not prove that the condition causes it.
n = rows (a customer of a window), d = inputs.

Reference: Breiman et al. (1984), "Classification and Regression Trees".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

from training.evaluation.metrics import Interval, wilson

#: what stands for an unknown value: below every threshold
_UNKNOWN = -1e9


@dataclass(frozen=True)
class RuleConfig:
    """Everything that changes the rules."""

    depth: int = 3
    leaves: int = 6
    least_share: float = 0.05
    resamples: int = 20
    seed: int = 20260101


@dataclass(frozen=True)
class Condition:
    """``low < value <= high``; an unknown value counts as lowest. A border that is infinite is none."""

    column: str
    low: float
    high: float

    def holds(self, frame: pd.DataFrame) -> np.ndarray:
        """Tell for which rows it holds (n,)."""
        value = _filled(frame[self.column])
        return np.asarray((value > self.low) & (value <= self.high))


@dataclass(frozen=True)
class TreeRule:
    """Conditions that hold together, and how common the outcome is among those they hold for.

    Attributes:
        conditions: one per input.
        rows: rows of the fitted windows.
        rate: of the outcome among them.
        checked_rows: rows of the check period.
        checked: rate there with its 95 % interval (Wilson); NaN without a row.
        held: whether that interval lies on the same side of the check period's base rate as ``rate`` lay of the
            fitted windows'.
    """

    conditions: tuple[Condition, ...]
    rows: int
    rate: float
    checked_rows: int
    checked: Interval
    held: bool


@dataclass(frozen=True)
class Rules:
    """The rules, the rarest outcome last; base rates; and how often resamples agree on the first question."""

    rules: tuple[TreeRule, ...]
    base_rate: float
    checked_base_rate: float
    first: str
    stability: float


def rule_tree(
    fitted: pd.DataFrame, check: pd.DataFrame, inputs: Sequence[str], label: str, config: RuleConfig
) -> Rules | None:
    """Find rules on earlier windows and hold them against the next period.

    Thresholds are rounded to two digits before anything is counted. Resamples are of customers, with all their rows.

    Args:
        fitted: ``customer_id``, inputs and the outcome, of windows before ``check``.
        check: the same of the period after.
        inputs: numeric columns.
        label: boolean column.
        config: size of the tree.

    Returns:
        None where no question separates customers.
    """
    x, truth = _matrix(fitted, inputs), fitted[label].to_numpy(dtype=bool)
    tree = _tree(config).fit(x, truth)
    if tree.tree_.node_count < 2:
        return None
    base, checked_base = float(truth.mean()), float(check[label].mean())
    rules = [_rule(leaf, fitted, check, label, base) for leaf in _leaves(tree, inputs)]
    rules = [rule for rule in rules if rule.rows]
    first = int(tree.tree_.feature[0])
    stability = _stability(x, truth, fitted["customer_id"], first, config)
    return Rules(tuple(sorted(rules, key=lambda rule: -rule.rate)), base, checked_base, inputs[first], stability)


def _tree(config: RuleConfig) -> DecisionTreeClassifier:
    return DecisionTreeClassifier(
        max_depth=config.depth,
        max_leaf_nodes=config.leaves,
        min_samples_leaf=config.least_share,
        random_state=config.seed,
    )


def _leaves(tree: DecisionTreeClassifier, inputs: Sequence[str]) -> list[tuple[Condition, ...]]:
    """Return each leaf's conditions, several on one input made one."""
    nodes = tree.tree_
    leaves: list[tuple[Condition, ...]] = []

    def walk(node: int, borders: dict[str, tuple[float, float]]) -> None:
        if nodes.children_left[node] == nodes.children_right[node]:
            leaves.append(tuple(Condition(name, *border) for name, border in borders.items()))
            return
        name, at = inputs[nodes.feature[node]], _round(float(nodes.threshold[node]))
        low, high = borders.get(name, (-np.inf, np.inf))
        walk(int(nodes.children_left[node]), {**borders, name: (low, min(high, at))})
        walk(int(nodes.children_right[node]), {**borders, name: (max(low, at), high)})

    walk(0, {})
    return leaves


def _rule(
    conditions: tuple[Condition, ...], fitted: pd.DataFrame, check: pd.DataFrame, label: str, base: float
) -> TreeRule:
    def counted(frame: pd.DataFrame) -> tuple[int, int]:
        holds = np.ones(len(frame), dtype=bool)
        for condition in conditions:
            holds &= condition.holds(frame)
        return int(holds.sum()), int(frame[label].to_numpy(dtype=bool)[holds].sum())

    (rows, yes), (checked_rows, checked_yes) = counted(fitted), counted(check)
    rate = yes / rows if rows else float("nan")
    checked, later = wilson(checked_yes, checked_rows), float(check[label].mean())
    held = checked.low > later if rate > base else checked.high < later
    return TreeRule(conditions, rows, rate, checked_rows, checked, bool(held))


def _stability(x: np.ndarray, truth: np.ndarray, customers: pd.Series, first: int, config: RuleConfig) -> float:
    """Return the share of resamples whose tree asks about the same input first."""
    number, names = pd.factorize(customers)
    rng, same = np.random.default_rng(config.seed), 0
    for _ in range(config.resamples):
        drawn = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))[number]
        kept = drawn > 0
        again = _tree(config).fit(x[kept], truth[kept], sample_weight=drawn[kept])
        same += int(again.tree_.feature[0]) == first
    return same / config.resamples


def _matrix(frame: pd.DataFrame, inputs: Sequence[str]) -> np.ndarray:
    return np.stack([_filled(frame[name]) for name in inputs], axis=1)


def _filled(values: pd.Series) -> np.ndarray:
    return np.nan_to_num(values.to_numpy(dtype="float64", na_value=np.nan), nan=_UNKNOWN)


def _round(value: float) -> float:
    """Round to two digits, as people would."""
    return value if value in (0, _UNKNOWN) else float(f"{value:.2g}") if abs(value) < 100 else float(f"{value:.3g}")
