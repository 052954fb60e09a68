"""word2vec: vectors of words from the texts of a catalogue, by skip-gram with negative sampling.

Reference: Mikolov, Sutskever, Chen, Corrado and Dean (2013), "Distributed Representations of Words and Phrases and
their Compositionality", NeurIPS. A catalogue's texts are short, so the window is the whole text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np


@dataclass(frozen=True)
class Word2VecConfig:
    """Everything that changes the vectors."""

    size: int = 32
    negatives: int = 5
    epochs: int = 20
    learning_rate: float = 0.05
    least: int = 1
    seed: int = 20260101


@dataclass(frozen=True)
class WordList:
    """Words by number, from 1; 0 is no word."""

    words: tuple[str, ...]

    def encode(self, texts: Sequence[str], most: int) -> np.ndarray:
        """Return the numbers of each text's first ``most`` known words: (n, most) int32, 0 for none."""
        place = {word: number for number, word in enumerate(self.words, 1)}
        codes = np.zeros((len(texts), most), dtype="int32")
        for row, text in enumerate(texts):
            numbers = [place[word] for word in words_of(text) if word in place][:most]
            codes[row, : len(numbers)] = numbers
        return codes


def words_of(text: str) -> list[str]:
    """Return the words of a text in small letters; digits are words of their own.

    >>> words_of("FLUID MILK/WHITE 2%")
    ['fluid', 'milk', 'white', '2']
    """
    return re.findall(r"[^\W\d_]+|\d+", text.lower())


def vocabulary(texts: Sequence[str], least: int = 1) -> WordList:
    """Return the words that come at least ``least`` times, by the alphabet."""
    counts: dict[str, int] = {}
    for text in texts:
        for word in words_of(text):
            counts[word] = counts.get(word, 0) + 1
    return WordList(tuple(sorted(word for word, count in counts.items() if count >= least)))


def word_vectors(encoded: np.ndarray, words: int, config: Word2VecConfig) -> np.ndarray:
    """Train vectors; O(epochs x texts x most^2 x negatives x size).

    Args:
        encoded: result of :meth:`WordList.encode`.
        words: size of the vocabulary.
        config: sizes, rate, seed.

    Returns:
        (words + 1, size) float32; row 0 is no word and is zero.
    """
    generator = np.random.default_rng(config.seed)
    vectors = ((generator.random((words + 1, config.size)) - 0.5) / config.size).astype("float32")
    contexts = np.zeros((words + 1, config.size), dtype="float32")
    frequency = np.bincount(encoded.ravel(), minlength=words + 1).astype(float)
    frequency[0] = 0
    noise = frequency**0.75
    if noise.sum() == 0:
        return np.zeros((words + 1, config.size), dtype="float32")
    cumulative = np.cumsum(noise / noise.sum())
    for epoch in range(config.epochs):
        rate = config.learning_rate * (1 - epoch / config.epochs)
        order = generator.permutation(len(encoded))
        _epoch(encoded[order], vectors, contexts, cumulative, config.negatives, np.float32(rate), config.seed + epoch)
    vectors[0] = 0
    return vectors


@numba.njit(cache=True)
def _epoch(
    texts: np.ndarray, vectors: np.ndarray, contexts: np.ndarray, cumulative: np.ndarray,
    negatives: int, rate: np.float32, seed: int,
) -> None:  # fmt: skip
    np.random.seed(seed)
    for text in texts:
        for word in text:
            for other in text:
                if word == 0 or other == 0 or word == other:
                    continue
                change = np.zeros_like(vectors[word])
                for number in range(negatives + 1):
                    target, label = other, np.float32(1)
                    if number:
                        place = np.searchsorted(cumulative, np.random.random())
                        target, label = min(place, len(cumulative) - 1), np.float32(0)
                    odds = np.dot(vectors[word], contexts[target])
                    step = rate * (label - np.float32(1) / (np.float32(1) + np.exp(-odds)))
                    change += step * contexts[target]
                    contexts[target] += step * vectors[word]
                vectors[word] += change
