"""The one-byte alphabet of product titles, and the units of measure written in it.

A letter is one byte, so that kernels walk over letters, not over UTF-8: ``a-z`` and ``0-9`` are their ASCII codes,
``а-я`` (with ``ё`` read as ``е``) are 128..159, letters of other scripts share 160..255. Accents are dropped.
"""

from __future__ import annotations

import unicodedata

import numpy as np

SEPARATOR, SKIP = 0, 1
CYRILLIC = 128
OTHER = 160
#: kept because they mean something beside a digit: a decimal sign, a joint of a model code, an inch, a percentage
SPECIAL = {".": 46, ",": 44, "-": 45, "‐": 45, "‑": 45, "–": 45, "+": 43, '"': 34, "″": 34, "”": 34, "%": 37}
_DROPPED = "'’`´\u00ad\u200b\u200d\ufeff®™©"

#: dimension -> spelling -> size in the dimension's own unit
UNITS: dict[str, dict[str, float]] = {
    "ml": {
        **dict.fromkeys(("ml", "мл", "millilitre", "milliliter", "миллилитр", "миллилитров"), 1.0),
        **dict.fromkeys(("cl", "сл"), 10.0),
        **dict.fromkeys(("dl", "дл"), 100.0),
        **dict.fromkeys(("l", "л", "lt", "ltr", "litre", "liter", "litres", "liters"), 1000.0),
        **dict.fromkeys(("литр", "литра", "литров"), 1000.0),
    },
    "g": {
        **dict.fromkeys(("mg", "мг"), 0.001),
        **dict.fromkeys(("g", "г", "gr", "гр", "gram", "grams", "грамм", "граммов", "гм"), 1.0),
        **dict.fromkeys(("kg", "кг", "kilo", "kilogram", "килограмм", "кило"), 1000.0),
    },
    "oz": {**dict.fromkeys(("oz", "ounce", "ounces"), 1.0), **dict.fromkeys(("lb", "lbs", "pound", "pounds"), 16.0)},
    "mm": {
        **dict.fromkeys(("mm", "мм"), 1.0),
        **dict.fromkeys(("cm", "см"), 10.0),
        **dict.fromkeys(("m", "м", "metre", "meter", "метр", "метра", "метров"), 1000.0),
    },
    "inch": {
        **dict.fromkeys(('"', "inch", "inches", "дюйм", "дюйма", "дюймов"), 1.0),
        **dict.fromkeys(("ft", "foot", "feet"), 12.0),
    },
    "pieces": dict.fromkeys(
        ("pc", "pcs", "ct", "count", "pk", "pack", "packs", "piece", "pieces", "шт", "штук", "штуки", "уп", "упак"), 1.0
    ),
    "gb": {
        **dict.fromkeys(("mb", "мб"), 0.001),
        **dict.fromkeys(("gb", "гб"), 1.0),
        **dict.fromkeys(("tb", "тб"), 1000.0),
    },
    "w": {**dict.fromkeys(("w", "вт", "watt", "watts", "ватт"), 1.0), **dict.fromkeys(("kw", "квт"), 1000.0)},
    "hz": {
        **dict.fromkeys(("hz", "гц"), 1.0),
        **dict.fromkeys(("mhz", "мгц"), 1e6),
        **dict.fromkeys(("ghz", "ггц"), 1e9),
    },
    "mah": dict.fromkeys(("mah", "мач"), 1.0),
    "mp": dict.fromkeys(("mp", "mpix", "megapixel", "megapixels", "мп", "мпикс"), 1.0),
    "percent": dict.fromkeys(("%",), 1.0),
}
DIMENSIONS = tuple(UNITS)

#: words that tell nothing about a product
STOPWORDS = tuple(
    [
        "a",
        "an",
        "and",
        "at",
        "by",
        "for",
        "from",
        "in",
        "of",
        "on",
        "or",
        "the",
        "to",
        "with",
        "и",
        "в",
        "во",
        "на",
        "с",
        "со",
        "из",
        "для",
        "от",
        "по",
        "к",
        "за",
        "или",
    ]
)

#: stopwords between two words whose order counts: an adapter from one plug to another
DIRECTIONS = ("to", "на")

#: words that name another model of the same line, and negations: what has one is not what lacks it
MODELS = (
    *("pro", "max", "plus", "mini", "lite", "xl", "xs", "se", "junior", "+", "про", "макс", "плюс", "мини", "лайт"),
    # what is without something is not what is with it
    *("without", "no", "not", "non", "без", "не", "sans", "ohne", "sin", "senza", "bez", "zonder"),
)


def symbols() -> np.ndarray:
    """Return the byte of each code point of the basic plane; uint8 ``(65536,)``."""
    table = np.zeros(65536, np.uint8)
    for code in range(32, 65536):
        table[code] = _symbol(chr(code))
    return table


def encode(word: str) -> bytes:
    r"""Write a lower-case word in the alphabet.

    >>> encode("wi"), encode("л")
    (b'wi', b'\x8b')
    """
    return bytes(_symbol(letter) for letter in word if _symbol(letter) > SKIP)


def decode(word: bytes) -> str:
    """Read a word of the alphabet; letters of other scripts, which share bytes, are shown as ``?``."""
    return "".join(
        chr(byte) if byte < CYRILLIC else chr(0x430 + byte - CYRILLIC) if byte < OTHER else "?" for byte in word
    )


def _symbol(letter: str) -> int:
    if letter in SPECIAL:
        return SPECIAL[letter]
    if letter in _DROPPED:
        return SKIP
    small = letter.lower()[:1]
    if small == "ё":
        return CYRILLIC + 5
    if "а" <= small <= "я":
        return CYRILLIC + ord(small) - 0x430
    if letter == "×":
        return ord("x")
    base = unicodedata.normalize("NFKD", small)[:1]
    if base.isascii() and base.isalnum():
        return ord(base)
    kind = unicodedata.category(base)[0]
    if kind == "M":
        return SKIP
    return OTHER + ord(base) % (256 - OTHER) if kind in "LN" else SEPARATOR
