"""Which columns a Spark SQL expression of a source reads, by its words: no session is needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

#: a text, a quoted name (a doubled back-quote stands for one), or a word with what comes before and after it
_TOKEN = re.compile(
    r"(?P<text>'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\")"
    r"|`(?P<quoted>(?:[^`]|``)*)`"
    r"|(?P<word>\w+)(?=(?P<call>\s*\()?)(?=(?P<lambda>\s*->)?)"
)
#: words of the language that are no column where they stand unquoted
_WORDS = """
    and any array as asc between bigint binary boolean both by case cast char cross current_date
    current_timestamp date decimal desc distinct div double else end escape exists false filter first
    float for from ilike in int integer interval is last leading like long map named_struct not null
    nulls numeric of or regexp rlike short smallint some string struct then timestamp timestamp_ltz
    timestamp_ntz tinyint to trailing true when where with
"""
_LANGUAGE = frozenset(_WORDS.split())
#: words that are a type or a unit only after these
_AFTER = frozenset({"as", "interval"})


def identifiers(text: str) -> list[str]:
    """Return the names that an expression seems to read, in their order, each once.

    A name that is also a word of SQL (``date``, ``end``) counts only in back-quotes.

    >>> identifiers("to_date(`Дата заказа`, 'dd.MM.yyyy') + cast(qty as int) * unit_price")
    ['Дата заказа', 'qty', 'unit_price']
    """
    names = [name for name, quoted, _ in _names(text) if quoted or name.lower() not in _LANGUAGE]
    return list(dict.fromkeys(name for name in names if not name[0].isdigit()))


def referenced(text: str, columns: list[str]) -> list[str]:
    """Return the columns of ``columns`` that an expression reads.

    >>> referenced("concat('id ', campaign_id, `Сумма, руб.`)", ["id", "campaign_id", "Сумма, руб."])
    ['campaign_id', 'Сумма, руб.']
    """
    read = {name.lower() for name, _, _ in _names(text)}
    return [name for name in columns if name.lower() in read]


def replaced(text: str, replacement: Callable[[str], str | None]) -> str:
    """Return the expression with other expressions in the place of some columns.

    Args:
        text: the expression.
        replacement: gives what to read instead of a column, by its name; None keeps it.

    >>> replaced("qty * `unit price`", {"qty": "abs(qty)"}.get)
    'abs(qty) * `unit price`'
    """
    pieces, end = [], 0
    for name, quoted, place in _names(text):
        other = replacement(name)
        if other is not None and (quoted or name.lower() not in _LANGUAGE):
            pieces += [text[end : place.start], other]
            end = place.stop
    return "".join([*pieces, text[end:]])


def bare(text: str) -> str | None:
    """Return the column that an expression is, where it is nothing else; None else.

    >>> bare(" `Дата` "), bare("total"), bare("lower(total)")
    ('Дата', 'total', None)
    """
    tokens = list(_names(text))
    if len(tokens) == 1 and text.strip() == text[tokens[0][2]] and not tokens[0][0].isdigit():
        return tokens[0][0]
    return None


def quote(name: str) -> str:
    """Return a column's name as Spark SQL reads it, whatever stands in it.

    >>> quote("Price, EUR")
    '`Price, EUR`'
    """
    return "`" + name.replace("`", "``") + "`"


def _names(text: str) -> Iterator[tuple[str, bool, slice]]:
    """Yield names that may be columns: the name, whether it is quoted, and where it stands."""
    before, parameters = "", {m.group("word").lower() for m in _TOKEN.finditer(text) if m.group("lambda")}
    for token in _TOKEN.finditer(text):
        place = slice(token.start(), token.end())
        after_dot = text[: token.start()].rstrip().endswith(".")
        if token.group("quoted") is not None:
            if not after_dot:
                yield token.group("quoted").replace("``", "`"), True, place
        elif word := token.group("word"):
            if not (token.group("call") or after_dot or before in _AFTER or word.lower() in parameters):
                yield word, False, place
            before = word.lower() if not (before == "interval" and word.isdigit()) else before
