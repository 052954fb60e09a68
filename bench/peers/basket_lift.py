"""What a list of complements is worth: how often what is listed for one thing of a basket stands in that basket.

n = baskets of a window that begins after the lists were made, i = items, p = pairs of a basket and one of its items,
the anchor; k = length of a list. A basket counts once: its pairs share its weight. Figures are sums per customer, so
that means over baskets and ratios of them can be resampled customer by customer.

What is bought with an anchor is also bought without it, most of all in large baskets and by customers who like it. So
the hits are compared with three expectations: of all baskets, of equally large ones, and of the same customer's
baskets without the anchor, item for item.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from training.evaluation.full_ranking import membership
from training.evaluation.metrics import Interval

#: sums per customer; all but ``baskets`` by a list (:meth:`Baskets.judged`)
SUMS = (
    "baskets", "hit", "found", "of_all", "of_size", "own_found", "own_expected",
    "with", "bill_with", "rest_with", "without", "bill_without",
)  # fmt: skip
_ROUNDS = 1000


@dataclass(frozen=True)
class Baskets:
    """The baskets of a window.

    Attributes:
        amount: (n, i) what was paid for each item that a basket holds; an item that cost nothing is a stored 0.
        customer: (n,) row of the customer.
    """

    amount: sparse.csr_matrix
    customer: np.ndarray

    @property
    def held(self) -> sparse.csr_matrix:
        """Return (n, i): ones."""
        amounts = self.amount.copy().astype("float32")
        amounts.data[:] = 1
        return amounts

    def pairs(self, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return basket and anchor (p,) of all pairs in baskets of at least two items.

        Args:
            asked: (i,) boolean: items that have a list at all.
        """
        basket = np.repeat(np.arange(self.amount.shape[0]), np.diff(self.amount.indptr))
        kept = asked[self.amount.indices] & (np.diff(self.amount.indptr)[basket] > 1)
        return basket[kept], self.amount.indices[kept].astype("int64")

    def judged(self, basket: np.ndarray, anchor: np.ndarray, lists: np.ndarray) -> pd.DataFrame:
        """Judge the lists of some pairs; O(items of the pairs' baskets + p x k).

        Args:
            basket: (p,) from :meth:`pairs`.
            anchor: (p,) from :meth:`pairs`.
            lists: (p, k) items, -1 where there is none; a customer's of one anchor are the same in all baskets.

        Returns:
            A row per customer (index) with :data:`SUMS`: of the ``baskets``, weights of those with any of the list
            (``hit``, ``with``) and without; how many of the list were ``found``, and would be by the shares of all
            baskets (``of_all``) and of equally large ones (``of_size``); what was found and expected where the customer
            has baskets without the anchor; bills of both kinds, and bills less what was listed (``rest_with``).
        """
        held = self.held
        hits = membership(lists, held[basket])
        weight = 1 / np.bincount(basket, minlength=held.shape[0])[basket]
        any_hit = hits.any(axis=1)
        bill = np.asarray(self.amount.sum(axis=1)).ravel()[basket]
        taken = (_cells(self.amount, basket, lists) * hits).sum(axis=1)
        expected = self._expected(held, basket, lists)
        own = _own(held, self.customer, basket, anchor, lists, hits)
        columns = {
            "baskets": np.ones(len(basket)),
            "hit": any_hit,
            "found": hits.sum(axis=1),
            **expected,
            **own,
            "with": any_hit,
            "bill_with": any_hit * bill,
            "rest_with": any_hit * (bill - taken),
            "without": ~any_hit,
            "bill_without": ~any_hit * bill,
        }
        sums = pd.DataFrame({name: values * weight for name, values in columns.items()})
        return sums.groupby(pd.Index(self.customer[basket], name="customer")).sum()[list(SUMS)]

    def _expected(self, held: sparse.csr_matrix, basket: np.ndarray, lists: np.ndarray) -> dict[str, np.ndarray]:
        """Return how many of each list would be found by the shares of all baskets, and of those of the same size."""
        size = np.floor(2 * np.log2(np.maximum(np.diff(held.indptr), 1))).astype(int)
        member = sparse.csr_matrix((np.ones(len(size)), (size, np.arange(len(size)))))
        share = sparse.diags(1 / np.maximum(np.bincount(size), 1)) @ (member @ held)
        everywhere = np.append(np.asarray(held.mean(axis=0)).ravel(), 0.0)  # -1 finds the last
        return {
            "of_all": everywhere[lists].sum(axis=1),
            "of_size": _cells(share.tocsr(), size[basket], lists).sum(axis=1),
        }


def _own(
    held: sparse.csr_matrix, customer: np.ndarray, basket: np.ndarray, anchor: np.ndarray, lists: np.ndarray,
    hits: np.ndarray,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Return what was found, and what the customer's baskets without the anchor let expect, item for item.

    Of the other items of the basket so many would be of the list as are of the items of those baskets; baskets of a
    single item say nothing of an anchor, and count on neither side. 0 for both without such a
    basket.
    """
    sizes = np.diff(held.indptr).astype(float) * (np.diff(held.indptr) > 1)
    of = sparse.csr_matrix(((sizes > 0).astype("float32"), (customer, np.arange(len(customer)))))
    bought = (of @ held).tocsr()
    pair, number = np.unique(customer[basket] * np.int64(held.shape[1]) + anchor, return_inverse=True)
    own = customer[basket]
    rest = _cells(bought, own, lists).sum(axis=1) - np.bincount(number, hits.sum(axis=1), len(pair))[number]
    items = np.bincount(customer, sizes)[own] - np.bincount(number, sizes[basket], len(pair))[number]
    present = items > 0
    expected = np.divide(rest * (sizes[basket] - 1), items, out=np.zeros(len(items)), where=present)
    return {"own_found": hits.sum(axis=1) * present, "own_expected": expected}


def _cells(matrix: sparse.csr_matrix, row: np.ndarray, lists: np.ndarray) -> np.ndarray:
    """Return the cells (p, k) of the rows at the listed columns; 0 where nothing is listed."""
    rows = np.repeat(row, lists.shape[1])
    cells = np.asarray(matrix[rows, np.maximum(lists, 0).ravel()]).reshape(lists.shape)
    return np.where(lists >= 0, cells, 0.0)


def without_anchor(lists: np.ndarray, anchor: np.ndarray, k: int) -> np.ndarray:
    """Return the first ``k`` of each list (p, more than k) that are not the anchor (p,)."""
    return first_of(lists, (lists != anchor[:, None]) & (lists >= 0), k)


def first_of(lists: np.ndarray, kept: np.ndarray, k: int) -> np.ndarray:
    """Return the first ``k`` of each list (p, m) that are ``kept`` (p, m), -1 where there are no more.

    >>> first_of(np.array([[3, 1, 2]]), np.array([[False, True, True]]), 3)
    array([[ 1,  2, -1]])
    """
    order = np.argsort(~kept, axis=1, kind="stable")[:, :k]
    return np.where(np.take_along_axis(kept, order, axis=1), np.take_along_axis(lists, order, axis=1), -1)


def resampled(
    sums: pd.DataFrame, statistic: Callable[[pd.DataFrame], pd.Series], rounds: int = _ROUNDS, seed: int = 1
) -> Interval:
    """Return a statistic of the sums over all customers with its 95 % interval over resampled customers.

    Args:
        sums: a row per customer.
        statistic: of a frame of such sums, a row each; for example the ratio of two columns.
        rounds: resamples.
        seed: of the resampling.
    """
    drawn = np.random.default_rng(seed).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), rounds)
    many = pd.DataFrame(drawn @ sums.to_numpy(dtype="float64"), columns=sums.columns)
    low, high = np.nanquantile(statistic(many), [0.025, 0.975])
    return Interval(float(statistic(sums.sum().to_frame().T).iloc[0]), float(low), float(high))
