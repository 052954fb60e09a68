"""What the words, numbers and codes of two records say for and against their being one thing.

Weights are inverse document frequencies over the logarithm of the number of records: 1 is what one record alone has.
"""

from __future__ import annotations

import numba
import numpy as np

from features.catalogue.judge import same_word
from features.catalogue.tokens import MODEL
from features.matching.records import Words

_WORD, _NUMBER, _CODE = 0, 1, 2
_MOST = 48
#: letters that a code within another has at least
_WITHIN = 4
#: columns of what :func:`compare_words` returns
CONTAINED, SHARED, WORD_APART, WORDS_APART, CODE_SHARED, CODE_APART, NUMBER_APART, NUMBER_LACKING, MODEL_APART = range(
    9
)
WIDTH = 9


def compare_words(words: Words, pairs: np.ndarray) -> np.ndarray:
    """Compare the tokens of pairs of records; float32 (m, 9).

    Columns: weight shared over that of the lighter record; over that of both; weight of the rarest word that either
    has and the other lacks, the lesser of the two sides; the same of all such words, over the lighter record's weight;
    weight of the rarest code they share; weight of the rarest code either has alone, the lesser of the two sides;
    numbers and sizes either has alone, the lesser of the two sides; those one side has where the other has none alone;
    1 where one has a word that names another model.
    """
    v = words.vocabulary
    scale = np.float32(1.0 / max(np.log1p(v.titles), 1e-9))
    return _compare(
        pairs, words.tokens, words.offsets, v.counts, v.groups, v.values, v.weights, v.texts, v.text_offsets, scale
    )


@numba.njit(nogil=True, cache=True)
def _within(s, t, texts, offsets):  # type: ignore[no-untyped-def]
    """Tell whether the letters of one token stand within the other's."""
    a, a_end, b, b_end = offsets[s], offsets[s + 1], offsets[t], offsets[t + 1]
    if a_end - a > b_end - b:
        a, a_end, b, b_end = b, b_end, a, a_end
    size = a_end - a
    if size < _WITHIN:
        return False
    for start in range(b, b_end - size + 1):
        same = 0
        while same < size and texts[a + same] == texts[start + same]:
            same += 1
        if same == size:
            return True
    return False


@numba.njit(nogil=True, cache=True)
def _is_code(token, groups, offsets):  # type: ignore[no-untyped-def]
    """Tell whether a token is a model code, or a number of four digits or more."""
    return groups[token] == _CODE or (groups[token] == _NUMBER and offsets[token + 1] - offsets[token] >= _WITHIN)


@numba.njit(nogil=True, cache=True)
def _compare(pairs, tokens, offsets, counts, groups, values, weights, texts, text_offsets, scale):  # type: ignore[no-untyped-def]
    out = np.zeros((len(pairs), WIDTH), np.float32)
    left, right = np.empty(_MOST, np.int32), np.empty(_MOST, np.int32)
    for row in range(len(pairs)):
        a = tokens[offsets[pairs[row, 0]] : offsets[pairs[row, 0] + 1]]
        b = tokens[offsets[pairs[row, 1]] : offsets[pairs[row, 1] + 1]]
        i = j = lefts = rights = 0
        common = np.float32(0.0)
        heavy_a = heavy_b = np.float32(0.0)
        for token in a:
            heavy_a += weights[token]
        for token in b:
            heavy_b += weights[token]
        while i < len(a) or j < len(b):
            if j == len(b) or (i < len(a) and a[i] < b[j]):
                left[lefts] = a[i]
                lefts += 1
                i += 1
            elif i == len(a) or b[j] < a[i]:
                right[rights] = b[j]
                rights += 1
                j += 1
            else:
                common += weights[a[i]]
                if _is_code(a[i], groups, text_offsets):
                    out[row, CODE_SHARED] = max(out[row, CODE_SHARED], weights[a[i]] * scale)
                i += 1
                j += 1
        for x in range(lefts):
            for y in range(rights):
                s, t = left[x], right[y]
                if s < 0 or t < 0:
                    continue
                same = False
                if groups[s] == _WORD and groups[t] == _WORD:
                    same = same_word(s, t, counts, texts, text_offsets)
                elif groups[s] <= _CODE and groups[t] <= _CODE and (groups[s] == _CODE or groups[t] == _CODE):
                    same = _within(s, t, texts, text_offsets)
                    if same:
                        lighter = min(weights[s], weights[t]) * scale
                        out[row, CODE_SHARED] = max(out[row, CODE_SHARED], lighter * np.float32(0.8))
                elif (
                    (groups[s] == _NUMBER and groups[t] > _CODE) or (groups[t] == _NUMBER and groups[s] > _CODE)
                ) and values[s] == values[t]:
                    same = True
                if same:
                    common += min(weights[s], weights[t])
                    left[x] = right[y] = -1
        word = np.zeros(2, np.float32)
        heavy, code = np.zeros(2, np.float32), np.zeros(2, np.float32)
        number = np.zeros(2, np.float32)
        for side in range(2):
            size = lefts if side == 0 else rights
            for place in range(size):
                token = left[place] if side == 0 else right[place]
                if token < 0:
                    continue
                weight = weights[token] * scale
                if _is_code(token, groups, text_offsets):
                    code[side] = max(code[side], weight)
                elif groups[token] == _WORD:
                    word[side] = max(word[side], weight)
                    heavy[side] += weight
                elif groups[token] == MODEL:
                    out[row, MODEL_APART] = 1.0
                else:
                    number[side] += 1.0
        lighter = max(min(heavy_a, heavy_b), np.float32(1e-9))
        out[row, CONTAINED] = min(common / lighter, np.float32(1.0))
        out[row, SHARED] = common / max(heavy_a + heavy_b - common, np.float32(1e-9))
        out[row, WORD_APART] = min(word[0], word[1])
        out[row, WORDS_APART] = min(min(heavy[0], heavy[1]) / (lighter * scale), np.float32(1.0))
        out[row, CODE_APART] = min(code[0], code[1])
        out[row, NUMBER_APART] = min(number[0], number[1])
        out[row, NUMBER_LACKING] = max(number[0], number[1]) if min(number[0], number[1]) == 0.0 else np.float32(0.0)
    return out
