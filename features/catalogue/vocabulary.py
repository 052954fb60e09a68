"""The words of a catalogue: how many titles have each, what each stands for, and how much it weighs.

A misspelling is healed where the catalogue itself shows it: a rare word one letter away from a word at least twenty
times as frequent stands for that word (candidates by deletion neighbourhoods: Garbe's symmetric delete, after Mor and
Fraenkel 1982). Inflections fall together by Snowball stems (Porter 2001). v = distinct tokens as written, u = tokens
they stand for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numba
import numpy as np
import snowballstemmer

from features.catalogue.alphabet import CYRILLIC, OTHER, decode, encode
from features.catalogue.tokens import Tokens, mix

#: a word is taken for a misspelling only of one this many times as frequent
TYPO_RATIO = 20
HEALED_LENGTH = 5
#: words in fewer titles are stemmed only while the vocabulary is small: most of them are misspellings
STEMMED_ALWAYS = 400_000


@dataclass(frozen=True)
class Vocabulary:
    """What every token as written stands for, and the tokens that stand for something.

    ``names`` uint64 (v,) ascending; ``stands`` int32 (v,) rows of the rest; ``keys`` uint64 (u,); ``counts`` int32
    (u,) titles; ``groups`` uint8 (u,); ``values`` float32 (u,) the number as written; ``weights`` float32 (u,) inverse
    document frequency; ``texts`` uint8 with ``text_offsets`` int64 (u + 1,); ``titles`` the size of the catalogue.
    """

    names: np.ndarray
    stands: np.ndarray
    keys: np.ndarray
    counts: np.ndarray
    groups: np.ndarray
    values: np.ndarray
    weights: np.ndarray
    texts: np.ndarray
    text_offsets: np.ndarray
    titles: int

    def text(self, token: int) -> str:
        """Return a token as one of its writings."""
        return decode(bytes(self.texts[self.text_offsets[token] : self.text_offsets[token + 1]])).replace("\0", " ")


def vocabulary(parts: Iterable[Tokens], titles: int) -> Vocabulary:
    """Merge the distinct tokens of all ``parts`` of a catalogue of ``titles`` titles.

    The result does not depend on the order of the parts. Time O(v log v), memory some 60 bytes a distinct token.
    """
    names, counts, groups, values, texts, offsets = _merged(list(parts))
    words = groups == 0
    heals = _heal(texts, offsets, counts, words)
    stemmed = stems(texts, offsets, counts, np.flatnonzero(words & (heals == np.arange(len(names)))), names)
    keys = stemmed[heals]
    unique, stands = np.unique(keys, return_inverse=True)
    total = np.bincount(stands, weights=counts, minlength=len(unique)).astype(np.int64)
    # the most frequent writing is shown
    order = np.lexsort((names, -counts))
    shown = np.empty(len(unique), np.int64)
    shown[stands[order[::-1]]] = order[::-1]
    total = np.minimum(total, titles)
    return Vocabulary(
        names=names,
        stands=stands.astype(np.int32),
        keys=unique,
        counts=total.astype(np.int32),
        groups=groups[shown],
        values=values[shown].astype(np.float32),
        weights=np.log1p(titles / np.maximum(total, 1)).astype(np.float32),
        texts=_taken(texts, offsets, shown),
        text_offsets=np.concatenate([[0], np.cumsum(offsets[shown + 1] - offsets[shown])]),
        titles=titles,
    )


def _merged(parts: list[Tokens]) -> tuple[np.ndarray, ...]:
    """Add up equal tokens; of several writings of a number the first in the alphabet stays."""
    names = np.concatenate([part.names for part in parts] or [np.zeros(0, np.uint64)])
    counts = np.concatenate([part.counts for part in parts] or [np.zeros(0, np.int32)])
    groups = np.concatenate([part.groups for part in parts] or [np.zeros(0, np.uint8)])
    values = np.concatenate([part.values for part in parts] or [np.zeros(0)])
    texts = np.concatenate([part.texts for part in parts] or [np.zeros(0, np.uint8)])
    lengths = np.concatenate([np.diff(part.text_offsets) for part in parts] or [np.zeros(0, np.int64)])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    # equal names may be written differently ("1,5 l", "1500 ml"): the shortest and smallest value comes first
    order = np.lexsort((values, lengths, names))
    names = names[order]
    starts = np.flatnonzero(np.concatenate([[True], names[1:] != names[:-1]])) if len(names) else np.zeros(0, np.int64)
    total = np.add.reduceat(counts[order], starts) if len(starts) else np.zeros(0, np.int32)
    kept = order[starts]
    return (
        names[starts],
        total,
        groups[kept],
        values[kept],
        _taken(texts, offsets, kept),
        np.concatenate([[0], np.cumsum(offsets[kept + 1] - offsets[kept])]),
    )


def stems(
    texts: np.ndarray, offsets: np.ndarray, counts: np.ndarray, words: np.ndarray, names: np.ndarray
) -> np.ndarray:
    """Return the key of every token: of words the hash of the Snowball stem, else the token itself."""
    russian, english = snowballstemmer.stemmer("russian"), snowballstemmer.stemmer("english")
    keys = names.copy()
    if len(words) > STEMMED_ALWAYS:
        words = words[counts[words] > 2]
    for word in words:
        letters = bytes(texts[offsets[word] : offsets[word + 1]])
        if len(letters) < 3 or letters[0] >= OTHER:
            continue
        stemmer = russian if letters[0] >= CYRILLIC else english
        stem = encode(stemmer.stemWord(decode(letters)))
        if stem and stem != letters:
            keys[word] = _key(np.frombuffer(stem, np.uint8))
    return keys


@numba.njit(nogil=True, cache=True)
def _key(word: np.ndarray) -> np.uint64:
    """Hash as the tokenizer does, so that a stem meets the same word written so."""
    value = np.uint64(0xCBF29CE484222325)
    for byte in word:
        value = (value ^ np.uint64(byte)) * np.uint64(0x100000001B3)
    return mix(value) & np.uint64((1 << 62) - 1)


@numba.njit(nogil=True, cache=True)
def _taken(texts: np.ndarray, offsets: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the texts of ``rows``, one after the other."""
    size = 0
    for row in rows:
        size += offsets[row + 1] - offsets[row]
    out = np.empty(size, np.uint8)
    at = 0
    for row in rows:
        for place in range(offsets[row], offsets[row + 1]):
            out[at] = texts[place]
            at += 1
    return out


@numba.njit(nogil=True, cache=True)
def _without(texts: np.ndarray, start: int, end: int, skip: int) -> np.uint64:
    """Hash a word without the letter at ``skip`` (none is left out for -1)."""
    value = np.uint64(0xCBF29CE484222325)
    for place in range(start, end):
        if place - start != skip:
            value = (value ^ np.uint64(texts[place])) * np.uint64(0x100000001B3)
    return mix(value)


@numba.njit(nogil=True, cache=True)
def _heal(texts: np.ndarray, offsets: np.ndarray, counts: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Return for each token the one it stands for: itself, or the frequent word it misspells.

    Words that share a string after at most one deletion each are at most two edits apart; one edit, or two neighbours
    swapped, is accepted. Frequent words give the table, rare ones look it up: both in time linear in their letters.
    """
    n = len(counts)
    heals = np.arange(n)
    entries = 0
    for word in range(n):
        if words[word] and counts[word] >= TYPO_RATIO and offsets[word + 1] - offsets[word] >= HEALED_LENGTH - 1:
            entries += offsets[word + 1] - offsets[word] + 1
    size = 1024
    while size < entries * 2:
        size *= 2
    slots, prints = np.full(size, -1, np.int32), np.zeros(size, np.uint32)
    for word in range(n):
        length = offsets[word + 1] - offsets[word]
        if not (words[word] and counts[word] >= TYPO_RATIO and length >= HEALED_LENGTH - 1):
            continue
        for skip in range(-1, length):
            value = _without(texts, offsets[word], offsets[word + 1], skip)
            slot = np.int64(value & np.uint64(size - 1))
            while slots[slot] >= 0:
                slot = (slot + 1) & (size - 1)
            slots[slot], prints[slot] = word, np.uint32(value >> np.uint64(32))
    for word in range(n):
        length = offsets[word + 1] - offsets[word]
        if not words[word] or length < HEALED_LENGTH:
            continue
        best = -1
        for skip in range(-1, length):
            value = _without(texts, offsets[word], offsets[word + 1], skip)
            slot = np.int64(value & np.uint64(size - 1))
            while slots[slot] >= 0:
                other = slots[slot]
                if (
                    prints[slot] == np.uint32(value >> np.uint64(32))
                    and counts[other] >= counts[word] * TYPO_RATIO
                    and (best < 0 or counts[other] > counts[best] or (counts[other] == counts[best] and other < best))
                    and one_edit(texts, offsets[word], offsets[word + 1], offsets[other], offsets[other + 1])
                ):
                    best = other
                slot = (slot + 1) & (size - 1)
        if best >= 0:
            heals[word] = best
    for word in range(n):  # a healed word's target is frequent, so a chain of three is the longest there can be
        for _ in range(3):
            heals[word] = heals[heals[word]]
    return heals


@numba.njit(nogil=True, cache=True)
def one_edit(texts: np.ndarray, a: int, a_end: int, b: int, b_end: int) -> bool:
    """Tell whether two words differ by one letter added, dropped or changed, or by two neighbours swapped."""
    while a < a_end and b < b_end and texts[a] == texts[b]:
        a += 1
        b += 1
    while a < a_end and b < b_end and texts[a_end - 1] == texts[b_end - 1]:
        a_end -= 1
        b_end -= 1
    left, right = a_end - a, b_end - b
    if left <= 1 and right <= 1:
        return True
    return left == 2 and right == 2 and texts[a] == texts[b + 1] and texts[a + 1] == texts[b]


@numba.njit(nogil=True, cache=True)
def stand_for(hashes: np.ndarray, offsets: np.ndarray, slots: np.ndarray, names: np.ndarray, stands: np.ndarray):  # type: ignore[no-untyped-def]
    """Replace tokens as written by what they stand for; ascending and distinct within a title.

    Args:
        hashes: uint64 (t,) of :class:`Tokens`.
        offsets: int64 (n + 1,).
        slots: :func:`slots_of` the vocabulary's names.
        names: uint64 (v,).
        stands: int32 (v,).

    Returns:
        int32 (t',) rows of the vocabulary and int64 (n + 1,). A token that the vocabulary lacks is left out.
    """
    out, out_offsets = np.empty(len(hashes), np.int32), np.zeros(len(offsets), np.int64)
    last = np.uint64(len(slots) - 1)
    at = 0
    for doc in range(len(offsets) - 1):
        begin = at
        for place in range(offsets[doc], offsets[doc + 1]):
            slot = hashes[place] & last
            while slots[slot] >= 0 and names[slots[slot]] != hashes[place]:
                slot = (slot + np.uint64(1)) & last
            if slots[slot] < 0:
                continue
            value, where = stands[slots[slot]], at
            while where > begin and out[where - 1] > value:
                where -= 1
            if where > begin and out[where - 1] == value:
                continue
            for move in range(at, where, -1):
                out[move] = out[move - 1]
            out[where] = value
            at += 1
        out_offsets[doc + 1] = at
    return out[:at].copy(), out_offsets


@numba.njit(nogil=True, cache=True)
def slots_of(names: np.ndarray) -> np.ndarray:
    """Return an open-addressing table of ``names``: int32, -1 where free."""
    size = 1024
    while size < len(names) * 2:
        size *= 2
    slots = np.full(size, -1, np.int32)
    for row in range(len(names)):
        slot = np.int64(names[row] & np.uint64(size - 1))
        while slots[slot] >= 0:
            slot = (slot + 1) & (size - 1)
        slots[slot] = row
    return slots
