"""Days and moments of exports: only whole ISO texts are read without a declared format.

Spark reads ``10:15`` as this morning, ``2025`` as New Year, and of ``2025-03-01 garbage`` the day. Here such a text
is no day, so that its row is quarantined. A format as second argument is strict anyway.
"""

from __future__ import annotations

import re

from pyspark.sql import Column

#: a day, or a day and a time with seconds, fractions and zone as they may be; no backslash, since it stands in SQL
ISO = (
    "^ *[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([T ] *[0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}([.][0-9]{1,9})?)? *"
    "(Z|z|UTC|GMT|[+-][0-9]{1,2}(:?[0-9]{2})?|[A-Z][A-Za-z_]+/[A-Za-z_/+-]+)?)? *$"
)
_LITERAL = r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\"|`(?:[^`]|``)*`"
_TOKEN = re.compile(rf"{_LITERAL}|[(),]|(?<![\w.])[A-Za-z_]\w*|\s+|.", re.DOTALL)
#: functions that read a text without a format where they have one argument, or whatever follows
_ALONE = frozenset(
    ["to_date", "try_to_date", "to_timestamp", "try_to_timestamp", "to_timestamp_ltz", "to_timestamp_ntz"]
)
_ALONE |= {"date", "timestamp"}
_FIRST = frozenset({"from_utc_timestamp", "to_utc_timestamp"})
_CASTS = frozenset({"cast", "try_cast"})
_CALL = re.compile(rf"^\s*(?:{'|'.join(sorted(_ALONE | _FIRST))})\s*\(", re.IGNORECASE)
_TO_STAMP = re.compile(r"^(?P<value>.*\S)\s+as\s+(?P<kind>date|timestamp\w*)\s*$", re.IGNORECASE | re.DOTALL)


def is_stamp(value: Column) -> Column:
    """Say whether a text is a whole day or moment."""
    return value.rlike(ISO)


def strict_stamps(expression: str) -> str:
    """Return a Spark SQL expression that reads days and moments from whole ISO texts alone.

    >>> strict_stamps("upper(at)")
    'upper(at)'
    >>> strict_stamps("to_date(at, 'dd.MM.yyyy')")
    "to_date(at, 'dd.MM.yyyy')"
    >>> strict_stamps("to_date(at)").replace(ISO, "ISO")
    "to_date(case when cast(at as string) rlike 'ISO' then at end)"
    """
    return _rewritten(_TOKEN.findall(expression))


def _rewritten(tokens: list[str]) -> str:
    """Rewrite every call in ``tokens``; a parenthesis that is never closed is Spark's to name."""
    out, place = [], 0
    while place < len(tokens):
        word = tokens[place].lower()
        begin = place + 1
        while begin < len(tokens) and tokens[begin].isspace():
            begin += 1
        end = _closing(tokens, begin) if begin < len(tokens) and tokens[begin] == "(" else None
        if end is None or word not in _ALONE | _FIRST | _CASTS:
            out.append(tokens[place])
            place += 1
            continue
        arguments = [_rewritten(argument) for argument in _arguments(tokens[begin + 1 : end])]
        out.append(f"{tokens[place]}({','.join(_strict(word, arguments))})")
        place = end + 1
    return "".join(out)


def _strict(word: str, arguments: list[str]) -> list[str]:
    if word in _CASTS:
        match = _TO_STAMP.match(arguments[0]) if len(arguments) == 1 else None
        return [f"{_guarded(match['value'])} as {match['kind']}"] if match else arguments
    if word in _FIRST or len(arguments) == 1:
        return [_guarded(arguments[0]), *arguments[1:]]
    return arguments


def _guarded(value: str) -> str:
    if _CALL.match(value):  # a day or a moment already
        return value
    return f"case when cast({value} as string) rlike '{ISO}' then {value} end"


def _closing(tokens: list[str], opening: int) -> int | None:
    """Return the place of the parenthesis that closes the one at ``opening``."""
    depth = 0
    for place in range(opening, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[place], 0)
        if depth == 0:
            return place
    return None


def _arguments(tokens: list[str]) -> list[list[str]]:
    """Split the tokens between two parentheses at the commas of their own depth."""
    parts: list[list[str]] = [[]]
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token, 0)
        if token == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts
