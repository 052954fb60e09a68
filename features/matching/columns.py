"""What kind of value each column of a table holds, by its values; the kind decides how it is compared."""

from __future__ import annotations

import re
from enum import StrEnum

import pandas as pd

#: values of a column that are looked at, and their seed
LOOKED_AT, SEED = 2_000, 20260101
#: share of the values that must have the form of a kind
MOST = 0.8
#: a column filled in fewer rows, or with fewer distinct values than two, says nothing
FILLED, FEW = 0.02, 30
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([ T].*)?|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})|(19|20)\d{2}(0[1-9]|1[0-2])[0-3]\d"
)
_PHONE = re.compile(r"(?=(?:\D*\d){6,15}\D*$)[+(]?\d[\d\s().\-/]+")
_WHOLE = re.compile(r"\d+")
_CODE = re.compile(r"(?=[^\s]*\d)[^\s]{3,40}")
_MONEY = re.compile(
    r"\s*([^\w\s]|eur|usd|gbp|rub|руб\.?)?\s*\d[\d, ]*([.,]\d+)?\s*([^\w\s]|eur|usd|gbp|rub|руб\.?)?\s*", re.I
)
_DECIMAL = re.compile(r"\s*[^\w\s]?\s*\d[\d,]*\.\d+\s*[^\w\s]?\s*")
_PRICE_NAME = re.compile(r"price|cost|amount|цена|стоимость|preis|prix|precio", re.I)
_PHONE_NAME = re.compile(r"phone|tel|mobile|fax|телефон|тел", re.I)
_ADDRESS = re.compile(
    r"\b(?:st|street|ave|avenue|rd|road|blvd|drive|dr|lane|ln|court|ct|place|pl|ул|улица|пр|просп|str|strasse|straße|rue|via|calle)\b",
    re.I,
)


class Kind(StrEnum):
    """What a column holds."""

    NAME = "name"
    TITLE = "title"
    DESCRIPTION = "description"
    CODE = "code"
    PHONE = "phone"
    EMAIL = "e-mail"
    ADDRESS = "address"
    DATE = "date"
    NUMBER = "number"
    CATEGORY = "category"
    PRICE = "price"
    EMPTY = "empty"


#: kinds whose equal values name a thing by themselves
IDENTIFIERS = frozenset({Kind.CODE, Kind.PHONE, Kind.EMAIL})
#: kinds that are not compared unless they are asked for
LEFT_OUT = frozenset({Kind.PRICE, Kind.EMPTY})


def kinds_of(table: pd.DataFrame) -> dict[str, Kind]:
    """Return the kind of each column of a table of strings, "" where a value is missing."""
    return {str(name): kind_of(table[name]) for name in table.columns}


def kind_of(column: pd.Series) -> Kind:
    """Return the kind of a column of strings.

    >>> kind_of(pd.Series(["a@b.org", "c@d.org"]))
    <Kind.EMAIL: 'e-mail'>
    """
    filled = column[column.str.strip() != ""].str.strip()
    if len(filled) < max(1, FILLED * len(column)) or (filled.nunique() < 2 and len(filled) > 1):
        return Kind.EMPTY
    shown = filled if len(filled) <= LOOKED_AT else filled.sample(LOOKED_AT, random_state=SEED)
    share = {name: float(shown.str.fullmatch(form).mean()) for name, form in (
        ("email", _EMAIL), ("date", _DATE), ("phone", _PHONE), ("whole", _WHOLE), ("code", _CODE),
        ("money", _MONEY), ("decimal", _DECIMAL),
    )}  # fmt: skip
    distinct = filled.nunique() / len(filled)
    if share["email"] > 0.5:
        return Kind.EMAIL
    if (_PRICE_NAME.search(str(column.name)) and share["money"] > 0.5) or share["decimal"] > MOST:
        return Kind.PRICE
    if share["date"] > MOST:
        return Kind.DATE
    called = bool(_PHONE_NAME.search(str(column.name)))
    if share["phone"] > MOST and (called or (share["whole"] < 0.5 and distinct > 0.2)):
        return Kind.PHONE
    if share["whole"] > MOST:
        return Kind.CODE if distinct > 0.3 and shown.str.len().median() >= 5 else Kind.NUMBER
    if share["code"] > MOST:
        return Kind.CODE if distinct > 0.2 else Kind.NUMBER
    return _kind_of_text(filled, shown, distinct)


def _kind_of_text(filled: pd.Series, shown: pd.Series, distinct: float) -> Kind:
    """Return the kind of a column of words."""
    words = shown.str.count(r"\S+")
    if words.mean() > 15:
        return Kind.DESCRIPTION
    if filled.nunique() <= max(FEW, 0.02 * len(filled)) and distinct < 0.3:
        return Kind.CATEGORY
    if shown.str.contains(r"\d").mean() > 0.5 and shown.str.contains(_ADDRESS).mean() > 0.3:
        return Kind.ADDRESS
    if words.mean() >= 2.5:
        return Kind.TITLE
    return Kind.NAME
