"""Candidates of a block of customers, computed with matrices instead of joins.

b = customers of a block, t = product types, d = latent factors. Everything here is NumPy and Arrow: it runs inside
Spark's workers, holds b x t numbers at a time and costs O(b x t x d).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from training.evaluation.top_k import UNRANKED, ranks_of
from training.rankers.inputs import HISTORY, SOURCES

PERSONAL = 3
#: columns that the block adds
EXTRA = (
    "als_score",
    "ease_score",
    "ease_new_score",
    "ease_lead",
    "ease_new_lead",
    "together_score",
    "segment_popularity",
    "segment_share_28",
    "customer_new_types_84",
    "type_new_share_28",
)


@dataclass(frozen=True)
class CandidateConfig:
    """Candidates that a source gives a customer, and how far a segment's popularity is shrunk."""

    personal_frequency: int = 40
    bought_together: int = 20
    similar_customers: int = 40
    popular_in_segment: int = 15
    popular: int = 15
    segment_prior: int = field(default=50, metadata={"about": "customers the overall popularity weighs"})
    block: int = field(default=512, metadata={"about": "customers of a block, at most"})
    cells: int = field(default=2_000_000, metadata={"about": "customers x types of a block, at most: bounds memory"})

    def rows(self, types: int) -> int:
        """Return the customers of a block, given the number of product types."""
        return max(1, min(self.block, self.cells // max(types, 1)))


@dataclass(frozen=True)
class ItemWeights:
    """Linear item-to-item models of some product types (m of t), fitted on all customers.

    Attributes:
        types: (m,) their positions among all types.
        often: (m, m) weights on the logarithm of baskets, zero on the diagonal.
        ever: (m, m) weights on whether it was ever bought.
        new_share: (t,) share of the customers with a history who lacked the type 28 days ago and bought it since; NaN
            for types without a model.
    """

    types: np.ndarray
    often: np.ndarray
    ever: np.ndarray
    new_share: np.ndarray

    def scores(self, baskets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return both models' scores (b, t) from baskets (b, t); 0 for types without a model."""
        logs = sparse.csr_matrix(np.log1p(baskets[:, self.types]).astype("float32"))
        scores = np.zeros((2, *baskets.shape))
        scores[0][:, self.types] = np.round((logs @ self.often).astype("float64"), 5)
        scores[1][:, self.types] = np.round(((logs > 0).astype("float32") @ self.ever).astype("float64"), 5)
        return scores[0], scores[1]


@dataclass(frozen=True)
class TypeCatalogue:
    """Tables of the product types (t), the same for all customers; sent to every worker.

    Attributes:
        names: product types, sorted.
        factors: (t, d) latent factors; zero rows where a type has none.
        weights: linear item-to-item models.
        together: (t, t) confidence that a basket with the row's type holds the column's type.
        popularity: (t,) share of active customers who bought it in 28 days.
        by_segment: segment -> (t,) the same within the segment, shrunk towards ``popularity``.
        segment_shares: segment -> (t,) share of the segment's members who bought it in 28 days, as counted.
    """

    names: list[str]
    factors: np.ndarray
    weights: ItemWeights
    together: sparse.csr_matrix
    popularity: np.ndarray
    by_segment: dict[str, np.ndarray]
    segment_shares: dict[str, np.ndarray] = field(default_factory=dict)


def candidate_blocks(
    catalogue: TypeCatalogue, config: CandidateConfig, schema: pa.Schema
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return the function that Spark's ``mapInArrow`` applies to batches of customers.

    Its input has a row per customer: ``customer_id``, ``is_cold``, ``segment_id``, ``factors`` and ``history`` (a
    list of structs ``product_type`` and :data:`HISTORY`). Its output, of ``schema``, has a row per candidate.
    """

    def apply(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = config.rows(len(catalogue.names))
        for batch in batches:
            for start in range(0, batch.num_rows, rows):
                yield _block(batch.slice(start, rows), catalogue, config).cast(schema)

    return apply


def _block(batch: pa.RecordBatch, catalogue: TypeCatalogue, config: CandidateConfig) -> pa.RecordBatch:
    shape = (batch.num_rows, len(catalogue.names))
    history = _history(batch.column("history"), catalogue.names)
    als = np.round(_factors(batch.column("factors"), catalogue.factors.shape[1]) @ catalogue.factors.T, 6)
    together = np.round((sparse.csr_matrix(history["baskets_84"] > 0, dtype=float) @ catalogue.together).toarray(), 6)
    often, ever = catalogue.weights.scores(np.nan_to_num(history["baskets_total"]))
    tried = (history["days_since_first"] < 84).sum(axis=1, keepdims=True).astype("float64")
    segments: list[Any] = batch.column("segment_id").to_pylist()
    segment = np.stack([catalogue.by_segment.get(name, catalogue.popularity) for name in segments])
    unknown = np.full(len(catalogue.names), np.nan)
    counted = np.stack([catalogue.segment_shares.get(name, unknown) for name in segments])

    warm = ~np.asarray(batch.column("is_cold").to_numpy(zero_copy_only=False), dtype=bool)[:, None]
    frequency: np.ndarray = 2 * np.nan_to_num(history["baskets_84"]) + np.nan_to_num(history["baskets_total"])
    bought = frequency > 0
    recency = np.where(bought, history["days_since_last"], 0) / 1e5  # breaks ties, never more than one basket
    ranks = np.full((len(SOURCES), *shape), UNRANKED, dtype=np.int32)
    ranks[0] = ranks_of(frequency - recency, bought & warm, config.personal_frequency)
    fresh = ~bought & warm  # the next two sources are for discoveries
    ranks[1] = ranks_of(together, fresh & (together > 0), config.bought_together)
    # the linear model ranks discoveries better; the factors are used where its score is 0
    alike = np.where(ever > 0, 1e3 + ever, als)
    ranks[2] = ranks_of(alike, fresh & (alike > 0), config.similar_customers)
    if catalogue.by_segment:
        ranks[3] = ranks_of(segment, np.ones(shape, bool), config.popular_in_segment)
    ranks[4] = ranks_of(np.broadcast_to(catalogue.popularity, shape), np.ones(shape, bool), config.popular)
    leads = (_lead(often, ~bought), _lead(ever, ~bought))
    shared = (np.broadcast_to(tried, shape), np.broadcast_to(catalogue.weights.new_share, shape))
    extra = dict(zip(EXTRA, (als, often, ever, *leads, together, segment, counted, *shared), strict=True))
    return _rows(batch.column("customer_id"), catalogue.names, ranks, {**history, **extra})


def _lead(scores: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    """Return scores (b, t) divided by the customer's best score among never bought types."""
    best = np.where(fresh, scores, 0).max(axis=1, initial=0, keepdims=True)
    return np.round(scores / np.where(best > 0, best, 1), 6)


def _rows(customers: pa.Array, names: list[str], ranks: np.ndarray, values: dict[str, np.ndarray]) -> pa.RecordBatch:
    """Return a row for every cell that at least one source picked."""
    row, column = np.nonzero((ranks < UNRANKED).any(axis=0))
    picked = ranks[:, row, column]
    precedence = picked.astype(np.int64)
    precedence[PERSONAL:][precedence[PERSONAL:] < UNRANKED] += UNRANKED // 2
    ranked = [
        pa.array(picked[number], mask=picked[number] == UNRANKED, type=pa.int32()) for number in range(len(SOURCES))
    ]
    cells = {name: (matrix[row, column], np.isnan(matrix[row, column])) for name, matrix in sorted(values.items())}
    columns = {
        "customer_id": customers.take(row),
        "product_type": pa.array(names, pa.string()).take(column),
        "source": pa.array(SOURCES, pa.string()).take(precedence.argmin(axis=0)),
        **{f"{source}_rank": rank for source, rank in zip(SOURCES, ranked, strict=True)},
        **{name: pa.array(cell, mask=missing, type=pa.float64()) for name, (cell, missing) in cells.items()},
    }
    return pa.RecordBatch.from_pydict(columns)


def _history(lists: Any, names: list[str]) -> dict[str, np.ndarray]:
    """Return :data:`HISTORY` as matrices (b, t) with NaN where a customer never bought a type."""
    row, column, entries = history_cells(lists, names)
    matrices = {}
    for name in HISTORY:
        matrix = np.full((len(lists), len(names)), np.nan)
        matrix[row, column] = entries.field(name).cast(pa.float64()).to_numpy(zero_copy_only=False)
        matrices[name] = matrix
    return matrices


def history_cells(lists: Any, names: list[str]) -> tuple[np.ndarray, np.ndarray, Any]:
    """Return row, column (of sorted ``names``) and struct of every entry of the lists whose type is in ``names``."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    entries = lists.flatten()
    row = np.repeat(np.arange(len(lists)), lengths)
    where = pc.index_in(entries.field("product_type"), value_set=pa.array(names, pa.string()))
    listed = where.is_valid()
    kept = listed.to_numpy(zero_copy_only=False)
    return row[kept], where.drop_null().to_numpy(zero_copy_only=False), entries.filter(listed)


def _factors(lists: Any, size: int) -> np.ndarray:
    """Return latent factors (b, d); zeros where a customer has none."""
    matrix = np.zeros((len(lists), size))
    valid = lists.is_valid().to_numpy(zero_copy_only=False)
    if valid.any() and size:
        matrix[valid] = lists.flatten().to_numpy(zero_copy_only=False).reshape(-1, size)
    return matrix
