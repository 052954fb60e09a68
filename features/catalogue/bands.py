"""Buckets of titles: the band keys of their signatures, by the settings of :class:`CatalogueConfig`.

n = titles. Titles that share a bucket of any band are candidates.
"""

from __future__ import annotations

import numpy as np

from features.catalogue.config import CatalogueConfig
from features.catalogue.links import Titles
from features.catalogue.sketches import (
    band_keys,
    grams_of,
    keys_of_bands,
    multipliers,
    one_permutation,
    pairs_of,
    signatures,
    simhash,
)
from features.catalogue.tokens import QUANTITY
from features.catalogue.vocabulary import Vocabulary

#: titles whose signatures are held at once
CHUNK = 100_000


def bands_of(
    titles: Titles,
    words: Vocabulary,
    config: CatalogueConfig,
    shape: tuple[int, int],
    part: tuple[int, int] | None = None,
) -> np.ndarray:
    """Return the keys of the bands ``part`` (first, last; None: all) of every title; uint32 (n, bands).

    Args:
        titles: n of them; one without tokens has keys that the caller leaves out.
        words: the vocabulary.
        config: kind of shingles and of sketch.
        shape: bands and rows, of :meth:`CatalogueConfig.shape`.
        part: which bands are wanted.
    """
    (bands, rows), (first, last) = shape, part or (0, shape[0])
    if config.shingles == "words" and config.sketch == "minhash":
        factors, addends = multipliers(bands * rows, config.seed)
        return band_keys(
            titles.tokens, titles.offsets, words.keys, copies_of(words, config.copies), factors, addends, first,
            last - first, rows,
        )  # fmt: skip
    out = np.empty((len(titles.keys), last - first), np.uint32)
    for start in range(0, len(out), CHUNK):
        end = min(start + CHUNK, len(out))
        offsets = titles.offsets[start : end + 1]
        chunk = titles.tokens[offsets[0] : offsets[-1]], offsets - offsets[0]
        sketched = _signatures(*chunk, words, config, bands * rows)
        out[start:end] = keys_of_bands(sketched, rows)[:, first:last]
    return out


def copies_of(words: Vocabulary, most: int) -> np.ndarray:
    """Return how often each token counts in a signature: by its weight; codes and quantities double; uint8 (u,)."""
    copies = np.clip(np.round(words.weights / np.log1p(max(words.titles, 2)) * most), 1, most)
    return np.where(words.groups >= QUANTITY - 1, copies * 2, copies).astype(np.uint8)


def _signatures(
    tokens: np.ndarray, offsets: np.ndarray, words: Vocabulary, config: CatalogueConfig, length: int
) -> np.ndarray:
    """Return the signatures of a chunk of titles; uint32 (n, length)."""
    weights = words.weights[tokens]
    if config.shingles == "grams":
        elements, offsets = grams_of(tokens, offsets, words.texts, words.text_offsets, config.gram)
        weights = np.ones(len(elements), np.float32)
    elif config.shingles == "pairs":
        elements, offsets = pairs_of(tokens, offsets, words.keys)
        weights = np.ones(len(elements), np.float32)
    else:
        elements = words.keys[tokens]
    if config.sketch == "one_permutation":
        return one_permutation(elements, offsets, length)
    if config.sketch == "minhash":
        return signatures(elements, offsets, np.ones(len(elements), np.uint8), *multipliers(length, config.seed))
    seeds = np.random.default_rng(config.seed).integers(0, 2**63, -(-length // 64), dtype=np.uint64)
    prints = np.stack([simhash(elements, offsets, weights, seed) for seed in seeds], axis=1)
    bits = (prints[:, :, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    return bits.reshape(len(prints), -1)[:, :length].astype(np.uint32)
