"""E-mails and phones that stand within texts, as columns of their own, so that they are compared as what they are."""

from __future__ import annotations

import pandas as pd

#: share of the texts that must hold one
HELD_BY = 0.5
_FORMS = {
    "e-mail": r"([^@\s,;<>()]+@[^@\s,;<>()]+\.[^@\s,;<>()]+)",
    "phone": r"(?<![\w.])(\+?\d(?:[\s().-]{0,2}\d){8,13})(?![\w.])",
}


def with_embedded(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the e-mails and phones of its columns of several words taken out into new columns.

    Args:
        table: strings, "" where missing.

    >>> with_embedded(pd.DataFrame({"text": ["Ann a@b.org Rome", "Bob Lee c@d.org"]})).columns.tolist()
    ['text', 'text: e-mail']
    """
    columns: dict[str, pd.Series] = {}
    for name in table.columns:
        text = table[name].astype("string").fillna("")
        alone = text.str.count(r"\S+").mean() < 2
        columns[name] = text
        for what, form in _FORMS.items():
            if alone:
                continue
            within = text.str.extract(form, expand=False).fillna("")
            rest = text.str.replace(form, " ", n=1, regex=True).str.strip()
            held = within != ""
            if held.mean() >= HELD_BY and within.nunique() > 1 and (rest[held] != "").mean() >= HELD_BY:
                columns[f"{name}: {what}"], columns[name], text = within, rest, rest
    return pd.DataFrame(columns)
