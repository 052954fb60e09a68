"""Product titles as sets of tokens: words, numbers, quantities with a unit, and model codes.

"1,5 л", "1.5L" and "1500 ml" are one quantity; "WH-1000XM3" and "wh1000xm3" one code. A token is a 64-bit hash whose
top two bits are its kind. n = titles, t = tokens of all titles, v = distinct tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numba
import numpy as np
import pyarrow as pa

from features.catalogue.alphabet import DIMENSIONS, DIRECTIONS, MODELS, STOPWORDS, UNITS, encode, symbols

WORD, NUMBER, CODE, QUANTITY = 0, 1, 2, 3
#: a token's group: the kind, for quantities 3 + the dimension, and for words that name another model the last
GROUPS = ("word", "number", "code", *DIMENSIONS, "model")
MODEL = len(GROUPS) - 1
MOST_TOKENS = 48
_PRIME = np.uint64(0x100000001B3)
_BASIS = np.uint64(0xCBF29CE484222325)
_BODY = np.uint64((1 << 62) - 1)
#: different values that the order of two words may have as a number
_ORDERS = np.uint64(1_000_003)


@dataclass(frozen=True)
class Tokens:
    """Tokens of n titles, and the distinct ones with their text.

    ``hashes`` uint64 (t,), distinct within a title and ascending; ``offsets`` int64 (n + 1,). For the distinct tokens:
    ``names`` uint64 (v,), ``counts`` int32 titles with it, ``groups`` uint8, ``values`` float64 the number as
    written, ``texts`` uint8 letters with ``text_offsets`` int64 (v + 1,).
    """

    hashes: np.ndarray
    offsets: np.ndarray
    names: np.ndarray
    counts: np.ndarray
    groups: np.ndarray
    values: np.ndarray
    texts: np.ndarray
    text_offsets: np.ndarray


def tokenize(titles: pa.Array) -> Tokens:
    """Split ``titles`` (Arrow strings; null counts as empty) into tokens.

    Time is linear in the bytes of the titles; one pass in compiled code, without the GIL.
    """
    if pa.types.is_large_string(titles.type):
        titles = titles.cast(pa.string())
    valid, offset_buffer, data_buffer = titles.buffers()
    first = np.frombuffer(offset_buffer, np.int32)[titles.offset : titles.offset + len(titles) + 1]
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.zeros(0, np.uint8)
    if titles.null_count and valid is not None:
        titles = titles.fill_null("")
        return tokenize(titles)
    hashes, offsets, names, counts, groups, values, texts, text_offsets = _tokenize(
        data,
        first.astype(np.int64),
        symbols_table(),
        *_units(),
        _listed(STOPWORDS),
        _listed(MODELS),
        _listed_bodies(DIRECTIONS),
    )
    return Tokens(hashes, offsets, names, counts, groups, values, texts, text_offsets)


@cache
def symbols_table() -> np.ndarray:
    """Return the alphabet's table, made once in a process."""
    return symbols()


@cache
def _units() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the units' hashes (ascending), dimensions and sizes."""
    rows = sorted(
        (int(_hash(np.frombuffer(encode(word), np.uint8))), number, size)
        for number, spellings in enumerate(UNITS.values())
        for word, size in spellings.items()
    )
    return (
        np.array([row[0] for row in rows], np.uint64),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.float64),
    )


@cache
def _listed(words: tuple[str, ...]) -> np.ndarray:
    return np.sort(np.array([_hash(np.frombuffer(encode(word), np.uint8)) for word in words], np.uint64))


@cache
def _listed_bodies(words: tuple[str, ...]) -> np.ndarray:
    return np.sort(_listed(words) & _BODY)


@numba.njit(nogil=True, cache=True, inline="always")
def mix(x: np.uint64) -> np.uint64:
    """Scramble 64 bits (the finaliser of splitmix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@numba.njit(nogil=True, cache=True)
def _hash(word: np.ndarray) -> np.uint64:
    value = _BASIS
    for byte in word:
        value = (value ^ np.uint64(byte)) * _PRIME
    return mix(value)


@numba.njit(nogil=True, cache=True, inline="always")
def _find(sorted_hashes: np.ndarray, value: np.uint64) -> int:
    place = np.searchsorted(sorted_hashes, value)
    return place if place < len(sorted_hashes) and sorted_hashes[place] == value else -1


@numba.njit(nogil=True, cache=True, inline="always")
def _is_digit(symbol: np.uint8) -> bool:
    return 48 <= symbol <= 57


@numba.njit(nogil=True, cache=True, inline="always")
def _is_letter(symbol: np.uint8) -> bool:
    return symbol >= 97


@numba.njit(nogil=True, cache=True)
def _letters(data: np.ndarray, start: int, end: int, table: np.ndarray, line: np.ndarray) -> int:
    """Write one title in the alphabet, with a separator at its end; return its length."""
    at, length = start, 0
    while at < end and length < len(line) - 2:
        byte = data[at]
        if byte < 0x80:
            code, step = np.int64(byte), 1
        elif byte < 0xE0 and at + 1 < end:
            code, step = ((np.int64(byte) & 0x1F) << 6) | (np.int64(data[at + 1]) & 0x3F), 2
        elif byte < 0xF0 and at + 2 < end:
            code = ((np.int64(byte) & 0x0F) << 12) | ((np.int64(data[at + 1]) & 0x3F) << 6)
            code, step = code | (np.int64(data[at + 2]) & 0x3F), 3
        else:
            code, step = 0, 4
        at += step
        symbol = table[code]
        if symbol != 1:
            line[length] = symbol
            length += 1
    line[length] = 0
    line[length + 1] = 0
    return length


@numba.njit(nogil=True, cache=True)
def _number(line: np.ndarray, at: int) -> tuple[int, float]:
    """Read a decimal number at ``at``; return where it ends and its value.

    A comma or point before exactly three digits separates thousands, unless the number begins with 0.
    """
    value, leading_zero = 0.0, line[at] == 48
    while _is_digit(line[at]):
        value = value * 10.0 + (line[at] - 48)
        at += 1
    while (line[at] == 44 or line[at] == 46) and _is_digit(line[at + 1]):
        digits, fraction, scale, thousands = 0, 0.0, 1.0, line[at] == 44
        while _is_digit(line[at + 1 + digits]):
            fraction = fraction * 10.0 + (line[at + 1 + digits] - 48)
            scale *= 10.0
            digits += 1
        if thousands and digits == 3 and not leading_zero:
            value = value * 1000.0 + fraction
            at += 4
            continue
        return at + 1 + digits, value + fraction / scale
    return at, value


@numba.njit(nogil=True, cache=True)
def _run(line: np.ndarray, at: int) -> tuple[int, int, int]:
    """Return where a run of letters, digits and inner joints ends, its digits and letters."""
    digits = letters = 0
    while True:
        symbol = line[at]
        if _is_digit(symbol):
            digits += 1
        elif _is_letter(symbol):
            letters += 1
        elif not (symbol == 45 and _joins(line, at, letters, digits)):
            return at, digits, letters
        at += 1


@numba.njit(nogil=True, cache=True)
def _joins(line: np.ndarray, at: int, letters: int, digits: int) -> bool:
    """Tell whether a hyphen stands within a model code: up to four letters or a digit before, a digit after."""
    if letters == 0 or (digits == 0 and letters > 4):
        return False
    ahead, has_digit = at + 1, digits > 0
    while _is_digit(line[ahead]) or _is_letter(line[ahead]):
        has_digit = has_digit or _is_digit(line[ahead])
        ahead += 1
    return has_digit and ahead > at + 1


@numba.njit(nogil=True, cache=True)
def _quantity(line: np.ndarray, at: int, unit_names: np.ndarray) -> tuple[int, int]:
    """Read a unit after a number that ends at ``at``; return where it ends and which it is, or -1."""
    if line[at] == 37 or line[at] == 34:
        return at + 1, _find(unit_names, _hash(line[at : at + 1]))
    if (line[at] == 0 or line[at] == 45 or line[at] == 46) and _is_letter(line[at + 1]):
        at += 1
    end = at
    while _is_letter(line[end]) and end - at < 12:
        end += 1
    if end == at or _is_digit(line[end]) or _is_letter(line[end]):
        return at, -1
    return end, _find(unit_names, _hash(line[at:end]))


@numba.njit(nogil=True, cache=True, inline="always")
def _named(group, value, joined, wide, stopwords, models):  # type: ignore[no-untyped-def]
    """Return a token's hash and its group, -1 for a word that says nothing."""
    if group == NUMBER or group >= QUANTITY:
        body = mix(np.uint64(np.int64(value * 1000.0 + 0.5)) * np.uint64(64) + np.uint64(group))
    else:
        body = _hash(joined[:wide])
    if group == WORD and (_find(stopwords, body) >= 0 or (wide == 1 and joined[0] >= 160)):
        group = -1
    elif group == WORD and _find(models, body) >= 0:
        group = MODEL
    return (body & _BODY) | (np.uint64(max(0, min(group, QUANTITY))) << np.uint64(62)), group


@numba.njit(nogil=True, cache=True)
def _slots_of(names, count, size):  # type: ignore[no-untyped-def]
    """Return a hash table of ``size`` places (a power of two) that finds the first ``count`` names."""
    slots = np.full(size, -1, np.int32)
    for place in range(count):
        slots[_slot(slots, names, names[place])] = place
    return slots


@numba.njit(nogil=True, cache=True, inline="always")
def _slot(slots, names, name):  # type: ignore[no-untyped-def]
    """Return the place of ``name`` in the hash table, or the free one where it belongs."""
    last = len(slots) - 1
    slot = np.int64(name & np.uint64(last))
    while slots[slot] >= 0 and names[slots[slot]] != name:
        slot = (slot + 1) & last
    return slot


@numba.njit(nogil=True, cache=True)
def _tokenize(data, offsets, table, unit_names, unit_dimensions, unit_sizes, stopwords, models, directions):  # type: ignore[no-untyped-def]
    n = len(offsets) - 1
    out = np.empty(max(16, n * 12), np.uint64)
    out_offsets = np.zeros(n + 1, np.int64)
    slots = np.full(1 << 12, -1, np.int32)
    names, counts = np.empty(2048, np.uint64), np.zeros(2048, np.int32)
    groups, values = np.zeros(2048, np.uint8), np.zeros(2048, np.float64)
    text_offsets, texts = np.zeros(2049, np.int64), np.empty(2048 * 16, np.uint8)
    count = used = 0
    line, joined = np.zeros(2048, np.uint8), np.zeros(64, np.uint8)
    hashes = np.empty(MOST_TOKENS, np.uint64)
    for doc in range(n):
        length = _letters(data, offsets[doc], offsets[doc + 1], table, line)
        at = tokens = 0
        before = toward = np.uint64(0)
        while at < length and tokens < MOST_TOKENS:
            symbol = line[at]
            if not (_is_digit(symbol) or _is_letter(symbol)):
                # a plus sign that ends a name ("S9+") tells two models apart
                if (
                    symbol == 43
                    and at > 0
                    and line[at + 1] == 0
                    and (_is_digit(line[at - 1]) or _is_letter(line[at - 1]))
                ):
                    joined[0], wide, group, value, begin, end = 43, 1, WORD, 0.0, at, at + 1
                else:
                    at += 1
                    continue
            else:
                begin, value, wide = at, 0.0, 0
                end, digits, letters = _run(line, at)
                group = WORD if digits == 0 else CODE
                if _is_digit(symbol):
                    stop, value = _number(line, at)
                    unit_end, unit = _quantity(line, stop, unit_names)
                    if unit >= 0:
                        end, group = unit_end, QUANTITY + unit_dimensions[unit]
                        value *= unit_sizes[unit]
                    elif letters == 0 or stop > end or (line[stop] == 120 and _is_digit(line[stop + 1])):
                        end, group = stop, NUMBER
                    at = end + 1 if line[end] == 120 and group == NUMBER and _is_digit(line[end + 1]) else end
                elif digits and digits <= 3 and letters >= 5 and _is_digit(line[end - 1]):  # iphone13: two tokens
                    last = end
                    while _is_digit(line[last - 1]):
                        last -= 1
                    if last - begin == letters:
                        end, group = last, WORD
                    at = end
                else:
                    at = end
                for place in range(begin, end):
                    if line[place] != 45 and wide < 64:
                        joined[wide] = line[place]
                        wide += 1
            at = max(at, end)
            name, group = _named(group, value, joined, wide, stopwords, models)
            if group < 0:
                if tokens and _find(directions, name) >= 0:
                    toward = before
                continue
            before = name
            for turn in range(2):
                if turn == 1:  # "HDMI to VGA" is not "VGA to HDMI": the order is a number of its own
                    if toward == 0 or toward == name:
                        break
                    body = mix(toward + mix(name)) & _BODY
                    value = np.float64(body % _ORDERS) + 0.25
                    name, group, wide = body | (np.uint64(NUMBER) << np.uint64(62)), NUMBER, 0
                    toward = np.uint64(0)
                repeated = tokens == MOST_TOKENS
                for other in range(tokens):
                    repeated = repeated or hashes[other] == name
                if repeated:
                    continue
                hashes[tokens] = name
                tokens += 1
                slot = _slot(slots, names, name)
                which = slots[slot]
                if which < 0:
                    which = count
                    if count + 1 >= len(names):
                        names, counts = _grown(names), _grown_zero(counts)
                        groups, values = _grown_zero(groups), _grown_zero(values)
                        text_offsets = _grown_zero(text_offsets)
                    while used + 64 >= len(texts):
                        texts = _grown(texts)
                    slots[slot], names[count], groups[count] = count, name, group
                    values[count] = value / (unit_sizes[unit] if QUANTITY <= group < MODEL else 1.0)
                    texts[used : used + wide] = joined[:wide]
                    used += wide
                    count += 1
                    text_offsets[count] = used
                    if count * 2 > len(slots):
                        slots = _slots_of(names, count, 2 * len(slots))
                counts[which] += 1
        start = out_offsets[doc]
        if start + tokens > len(out):
            out = _grown(out)
        hashes[:tokens].sort()
        out[start : start + tokens] = hashes[:tokens]
        out_offsets[doc + 1] = start + tokens
    return (
        out[: out_offsets[n]].copy(),
        out_offsets,
        names[:count].copy(),
        counts[:count].copy(),
        groups[:count].copy(),
        values[:count].copy(),
        texts[:used].copy(),
        text_offsets[: count + 1].copy(),
    )


@numba.njit(nogil=True, cache=True)
def _grown(array):  # type: ignore[no-untyped-def]
    bigger = np.empty(len(array) * 2, array.dtype)
    bigger[: len(array)] = array
    return bigger


@numba.njit(nogil=True, cache=True)
def _grown_zero(array):  # type: ignore[no-untyped-def]
    bigger = np.zeros(len(array) * 2, array.dtype)
    bigger[: len(array)] = array
    return bigger


@numba.njit(nogil=True, cache=True)
def mix_all(data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Hash each text; uint64 (n,)."""
    out = np.empty(len(offsets) - 1, np.uint64)
    for row in range(len(out)):
        value = _BASIS
        for place in range(offsets[row], offsets[row + 1]):
            value = (value ^ np.uint64(data[place])) * _PRIME
        out[row] = mix(value)
    return out
