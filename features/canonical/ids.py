"""Keys as one rule writes them, in every table alike; what is no key at all is named.

A key that Excel has shown in scientific notation (``7.91612E+11``) has lost its digits and is refused; one that a
program wrote so with all its digits (``2.0250000123E10``) is read. Floats that are whole numbers are keys.
"""

from __future__ import annotations

from pyspark.sql import Column, functions as F, types as T

from conf.settings.consent import Ids

#: blanks of all kinds at the ends: no-break, thin and zero-width ones, the byte order mark, Excel's apostrophe
_ENDS = r"^[\s\p{Z}\u200B-\u200D\u2060\uFEFF']+|[\s\p{Z}\u200B-\u200D\u2060\uFEFF]+$"
_FLOAT = r"^[+-]?\d+\.0+$"
_SCIENTIFIC = r"^\d[.,]\d+[eE]\+?\d+$|^\d+[eE]\+\d+$"
#: whole numbers beyond it are not exact in a float
_EXACT = float(2**53)


def is_key(column: str) -> bool:
    """Tell whether a canonical column holds keys, by its name."""
    return column.endswith("_id")


def trimmed(value: Column) -> Column:
    """Return a text without blanks at its ends; null where nothing else is there."""
    return F.nullif(F.regexp_replace(value, _ENDS, ""), F.lit(""))


def as_text(value: Column, kind: T.DataType) -> Column:
    """Return a value of any type as the text of a key; null for what a float cannot hold exactly."""
    if not isinstance(kind, T.DoubleType | T.FloatType):
        return value.cast("string")
    whole = (value == F.rint(value)) & (F.abs(value) < _EXACT)
    return F.when(whole, value.cast("decimal(20,0)").cast("string")).when(F.abs(value) < _EXACT, value.cast("string"))


def written(key: Column, column: str, rule: Ids) -> Column:
    """Return a key as the source's rule writes it.

    Args:
        key: the key as text without blanks at its ends (:func:`trimmed`). It stands in the result several times: where
            many keys are written at once it should be a column, so that Spark works it out once.
        column: canonical column that it stands in.
        rule: of the source.
    """
    digits = F.regexp_replace(key, r"\.0+$", "")
    key = F.when(key.rlike(_FLOAT), digits).when(_all_digits(key), _expanded(key)).otherwise(key)
    if column in rule.columns:
        key = {"lower": F.lower, "upper": F.upper}.get(rule.case, lambda text: text)(key)
        if rule.leading_zeros == "strip":
            key = F.regexp_replace(key, r"^0+(?=.)", "")
    return key


def is_mangled(key: Column) -> Column:
    """Say whether a key is a number in scientific notation that lost digits."""
    return key.rlike(_SCIENTIFIC) & ~_all_digits(key)


def is_no_customer(key: Column, rule: Ids) -> Column:
    """Say whether a key is a placeholder (see ``Ids.no_customer``)."""
    return F.lower(key).isin(*sorted(rule.no_customer()))


def is_total(key: Column, rule: Ids) -> Column:
    """Say whether a text marks a line of totals, a colon after it or not."""
    return F.lower(F.regexp_replace(key, r"\s*:$", "")).isin(*sorted(rule.total_words()))


def loose(key: Column) -> Column:
    """Return what two spellings of one key have in common: letters and digits, no case, no leading zeros.

    Two customers may have it in common, so it serves where a mistake can only forbid.
    """
    plain = F.lower(F.regexp_replace(F.regexp_replace(key, r"\.0+$", ""), r"[^\p{L}\p{N}]", ""))
    return F.regexp_replace(plain, r"^0+(?=.)", "")


def _all_digits(key: Column) -> Column:
    """Say whether scientific notation has at least as many decimals as its exponent, so that no digit is lost."""
    decimals = F.length(F.regexp_extract(key, r"^\d\.(\d+)[eE]\+?\d{1,2}$", 1))
    exponent = F.regexp_extract(key, r"^\d\.\d+[eE]\+?(\d{1,2})$", 1).try_cast("int")
    return F.coalesce((decimals > 1) & (decimals >= exponent) & (exponent < 20), F.lit(False))


def _expanded(key: Column) -> Column:
    return key.try_cast("decimal(38,0)").cast("string")
