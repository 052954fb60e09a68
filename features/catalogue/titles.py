"""One catalogue in memory: its distinct titles, their links, and the clusters they make.

n = distinct titles in the order of their keys, so that nothing depends on the order of the input.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import pyarrow as pa

from features.catalogue.bands import bands_of
from features.catalogue.clusters import specificity, star_clusters
from features.catalogue.config import CatalogueConfig
from features.catalogue.links import Titles, keys_of, link
from features.catalogue.tokens import tokenize
from features.catalogue.vocabulary import Vocabulary, slots_of, stand_for, vocabulary


def distinct(
    tokens: list[np.ndarray], lengths: list[np.ndarray], words: Vocabulary, identifying: float
) -> tuple[Titles, np.ndarray]:
    """Collapse titles with equal tokens; return them and, for each title given, its row among them (int32).

    Titles too light to name a product have key 0 and no tokens.
    """
    all_tokens, all_lengths = np.concatenate(tokens), np.concatenate(lengths)
    offsets = np.concatenate([[0], np.cumsum(all_lengths, dtype=np.int64)])
    named = keys_of(all_tokens, offsets, words.keys)
    cap = float(np.log1p(words.titles / 3))
    named[specificity(all_tokens, offsets, words.weights, cap) < identifying * np.log1p(words.titles)] = 0
    keys, first, rows = np.unique(named, return_index=True, return_inverse=True)
    all_lengths = np.where(named == 0, 0, all_lengths)
    kept = np.concatenate([[0], np.cumsum(all_lengths[first], dtype=np.int64)])
    return Titles(_taken(all_tokens, offsets, first, kept), kept, keys), rows.astype(np.int32)


@numba.njit(nogil=True, cache=True)
def _taken(tokens: np.ndarray, offsets: np.ndarray, rows: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return the tokens of ``rows``, as many of each as ``kept`` has room for."""
    out = np.empty(kept[-1], np.int32)
    for place in range(len(rows)):
        size = kept[place + 1] - kept[place]
        out[kept[place] : kept[place + 1]] = tokens[offsets[rows[place]] : offsets[rows[place]] + size]
    return out


def links_of(
    titles: Titles, words: Vocabulary, config: CatalogueConfig, task: int = 0, tasks: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the links that the bands of ``task`` find: int32 (m, 2) rows, float32 similarities, uint8 flags."""
    bands, rows = config.shape(words.titles)
    keys = bands_of(titles, words, config, (bands, rows), (bands * task // tasks, bands * (task + 1) // tasks))
    pairs, scores, flags, _, _ = link(titles, keys, words, config.threshold, rare_code(words.titles))
    return pairs, scores, flags


def rare_code(titles: int) -> int:
    """Return the number of titles up to which a model code says by itself which product it is."""
    return max(20, titles // 100_000)


@dataclass(frozen=True)
class Clusters:
    """Clusters of the given titles: ``keys`` uint64 of their title, ``centres`` uint64 of the cluster's title.

    ``confidence`` float32 is the similarity to the centre and ``flags`` uint8 what that link rests on.
    """

    keys: np.ndarray
    centres: np.ndarray
    confidence: np.ndarray
    flags: np.ndarray


def cluster(given: pa.Array, config: CatalogueConfig) -> Clusters:
    """Cluster titles in this process, for catalogues of up to some millions; Spark's clusters are the same.

    Args:
        given: Arrow strings.
        config: settings.
    """
    tokens = tokenize(given)
    words = vocabulary([tokens], len(given))
    stood, offsets = stand_for(tokens.hashes, tokens.offsets, slots_of(words.names), words.names, words.stands)
    titles, rows = distinct([stood], [np.diff(offsets).astype(np.uint8)], words, config.identifying)
    pairs, scores, flags = links_of(titles, words, config)
    centre, sure, why = star_clusters(len(titles.keys), pairs, scores, flags, order_of(titles, words), config.margin)
    return Clusters(titles.keys[rows], titles.keys[centre[rows]], sure[rows], why[rows])


def specificity_of(titles: Titles, words: Vocabulary) -> np.ndarray:
    """Return how much each title says; float32 (n,). A word of fewer than three titles counts as one of three."""
    return specificity(titles.tokens, titles.offsets, words.weights, float(np.log1p(words.titles / 3)))


def order_of(titles: Titles, words: Vocabulary) -> np.ndarray:
    """Return the titles from the most specific on; equals by their keys."""
    return np.argsort(-specificity_of(titles, words), kind="stable")
