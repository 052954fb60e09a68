"""Whether two titles name one product: true weighted Jaccard similarity, and guards that no similarity outweighs.

* Two titles that each have a number, a quantity or a model code that the other lacks, differ: "1 l" is not "2 l" and
  "WH-1000XM3" is not "WH-1000XM4". So do two of which one has a word that names another model: "Pro", "Mini", "+".
* Two titles that each have a word the other lacks differ: "strawberry" against "vanilla" is one word in ten. Only
  where they share a rare model code, and two words or more differ on both sides, they describe one product
  differently; where that code names a product by its length and digits, one word on one side and two on the other
  will do, and what else they have is description, unless plain numbers differ and words do not. Words one edit apart,
  one of them rare, are one word; so are two long forms of a stem.
* What only one of them has is an omission; it costs its weight.

A title is its tokens, rows of the :class:`~features.catalogue.vocabulary.Vocabulary`, ascending.
"""

from __future__ import annotations

import numba
import numpy as np

from features.catalogue.alphabet import CYRILLIC
from features.catalogue.reasons import FUZZY, OMITTED_NUMBER, OMITTED_WORD, OTHER_WORDS, SHARED_CODE
from features.catalogue.tokens import MODEL
from features.catalogue.vocabulary import TYPO_RATIO, one_edit

_MOST = 24
_WORD, _NUMBER, _CODE = 0, 1, 2
_WORDS, _NUMBERS, _MODELS = np.uint64(1), np.uint64(2), np.uint64(1) << np.uint64(MODEL)
#: codes and quantities; a plain number beside a shared code may count anything
_EXACT = ~np.uint64(3)
#: two titles that share a rare code are one from this similarity on, and count as this similar at least
_LEAST_WITH_CODE, _WITH_CODE = np.float32(0.25), np.float32(0.6)
#: shapes of codes, the letters of a unit at most, and the length of a code that names a product at least
MEASURE, OTHER_CODE, NAME = range(3)
_UNIT, _NAMING = 4, 5


@numba.njit(nogil=True, cache=True)
def judge(a, b, counts, groups, values, weights, texts, text_offsets, rare):  # type: ignore[no-untyped-def]
    """Compare two titles.

    Args:
        a: int32 tokens of one title.
        b: int32 tokens of the other.
        counts: int32 (u,) titles with each token.
        groups: uint8 (u,).
        values: float32 (u,) numbers as written.
        weights: float32 (u,).
        texts: uint8 letters of the tokens.
        text_offsets: int64 (u + 1,).
        rare: a code in at most so many titles allows different words beside it.

    Returns:
        The similarity, 0..1, or -1 where they differ, and flags. Symmetric. Time O(tokens), plus the unmatched
        words of one times those of the other.
    """
    left, right = np.empty(_MOST, np.int32), np.empty(_MOST, np.int32)
    lefts = rights = 0
    common, i, j, code, names = np.float32(0.0), 0, 0, False, False
    while i < len(a) or j < len(b):
        if j == len(b) or (i < len(a) and a[i] < b[j]):
            if lefts == _MOST:
                return np.float32(-1.0), 0
            left[lefts] = a[i]
            lefts += 1
            i += 1
        elif i == len(a) or b[j] < a[i]:
            if rights == _MOST:
                return np.float32(-1.0), 0
            right[rights] = b[j]
            rights += 1
            j += 1
        else:
            common += weights[a[i]]
            if groups[a[i]] == _CODE and counts[a[i]] <= rare:
                shape = shape_of_code(a[i], texts, text_offsets)
                code, names = code or shape != MEASURE, names or shape == NAME
            i += 1
            j += 1
    flags = SHARED_CODE if code else 0
    apart = np.float32(0.0)
    for x in range(lefts):
        for y in range(rights):
            if left[x] < 0 or right[y] < 0:
                continue
            s, t = left[x], right[y]
            if groups[s] == _WORD and groups[t] == _WORD:
                if same_word(s, t, counts, texts, text_offsets):
                    common += min(weights[s], weights[t])
                    flags |= FUZZY
                    left[x] = right[y] = -1
            elif (
                (groups[s] == _NUMBER and groups[t] > _CODE) or (groups[t] == _NUMBER and groups[s] > _CODE)
            ) and values[s] == values[t]:
                common += min(weights[s], weights[t])
                left[x] = right[y] = -1
    seen_left, words_left, apart = _missed(left, lefts, groups, weights, texts, text_offsets, apart)
    seen_right, words_right, apart = _missed(right, rights, groups, weights, texts, text_offsets, apart)
    one = seen_left | seen_right
    if one & _MODELS and not names:
        return np.float32(-1.0), 0
    if seen_left & ~_WORDS and seen_right & ~_WORDS and (not code or seen_left & seen_right & _EXACT):
        return np.float32(-1.0), 0
    if words_left and words_right:
        fewer, more = min(words_left, words_right), max(words_left, words_right)
        if not code or (fewer < 2 and not (names and more >= 2)):
            return np.float32(-1.0), 0
        flags |= OTHER_WORDS
    elif one & _WORDS:
        flags |= OMITTED_WORD
    if one & ~_WORDS:
        flags |= OMITTED_NUMBER
    score = common / max(common + apart, np.float32(1e-9))
    numbers_apart = seen_left & seen_right & _NUMBERS  # "HD9350/90" is not "HD9350/92"
    described = names and (not numbers_apart or (words_left and words_right))
    if described or (code and not numbers_apart and score >= _LEAST_WITH_CODE):  # shops share hardly more than the code
        score = _WITH_CODE + (np.float32(1.0) - _WITH_CODE) * score
    return score, flags


@numba.njit(nogil=True, cache=True)
def shape_of_code(token, texts, offsets):  # type: ignore[no-untyped-def]
    """Tell the shape of a code: a measure ("1400rpm", "4k"), one that names a product ("ue49nu7500"), or another."""
    size, digits = offsets[token + 1] - offsets[token], 0
    for place in range(offsets[token], offsets[token + 1]):
        digits += 48 <= texts[place] <= 57
    lead = 0
    while lead < size and (48 <= texts[offsets[token] + lead] <= 57):
        lead += 1
    if lead == digits and size - lead <= _UNIT:
        return MEASURE
    return NAME if size >= _NAMING and digits >= 2 and digits < size else OTHER_CODE


@numba.njit(nogil=True, cache=True)
def _missed(rest, size, groups, weights, texts, text_offsets, apart):  # type: ignore[no-untyped-def]
    """Return which groups the tokens of ``rest`` are of, how many are words, and ``apart`` with their weight."""
    seen, words = np.uint64(0), 0
    for place in range(size):
        token = rest[place]
        if token >= 0:
            measure = groups[token] == _CODE and shape_of_code(token, texts, text_offsets) == MEASURE
            seen |= np.uint64(1) << np.uint64(_NUMBER if measure else groups[token])
            words += groups[token] == _WORD
            apart += weights[token]
    return seen, words, apart


@numba.njit(nogil=True, cache=True)
def same_word(s: int, t: int, counts: np.ndarray, texts: np.ndarray, offsets: np.ndarray) -> bool:
    """Tell whether two words are one: a misspelling that is rare beside its word, or long forms of one stem.

    Two words that are both frequent and one letter apart ("black", "block") are two words.
    """
    a, a_end, b, b_end = offsets[s], offsets[s + 1], offsets[t], offsets[t + 1]
    short, long = min(a_end - a, b_end - b), max(a_end - a, b_end - b)
    if short < 4:
        return False
    few, many = min(counts[s], counts[t]), max(counts[s], counts[t])
    typo = short >= 5 and (few <= 1 or few * TYPO_RATIO <= many) and long - short <= 1
    if typo and one_edit(texts, a, a_end, b, b_end):
        return True
    if texts[a] < CYRILLIC:  # English inflects by its ends, which the stemmer has cut
        return False
    same = 0
    while same < short and texts[a + same] == texts[b + same]:
        same += 1
    return same >= 5 and same * 2 >= long
