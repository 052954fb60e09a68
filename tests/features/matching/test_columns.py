"""Kinds of columns, by their values."""

from __future__ import annotations

import pandas as pd
import pytest

from features.matching.columns import Kind, kind_of, kinds_of


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("contact", ["a.b@mail.org", "c@post.net", "d@inbox.example"], Kind.EMAIL),
        ("tel", ["386 52 86", "285-99-02", "3445566"], Kind.PHONE),
        ("reach", ["+7 (916) 105-87-56", "8 926 123 45 67", "(312) 922-3337"], Kind.PHONE),
        ("born", ["1971-06-24", "1971-05-24", "1980-01-02"], Kind.DATE),
        ("born", ["19081209", "19990219", "19560409"], Kind.DATE),
        ("charge", ["12.50", "9.99", "100.00"], Kind.PRICE),
        ("price", ["12", "9", "100"], Kind.PRICE),
        ("no", ["6988048", "7364009", "2635962"], Kind.CODE),
        ("street_number", ["6", "69", "44"], Kind.NUMBER),
        ("sku", ["AM53BK", "PSLX350H", "SBV40S"], Kind.CODE),
        ("what", ["Bose Acoustimass 5 Speaker", "Sony Turntable PSLX350H Black", "Sony Switcher SBV40S"], Kind.TITLE),
        ("where", ["221 E 51st Street", "6 Tullaroop Road", "69 Giblin Street"], Kind.ADDRESS),
        ("who", ["Anna", "Boris", "Vera"], Kind.NAME),
        ("state", ["vic", "nsw"] * 40, Kind.CATEGORY),
        ("about", ["word " * 30, "other " * 30], Kind.DESCRIPTION),
        ("same", ["x", "x", "x"], Kind.EMPTY),
    ],
)
def test_a_kind_is_found_by_looking(name: str, values: list[str], kind: Kind) -> None:
    assert kind_of(pd.Series(values, name=name, dtype="string")) == kind


def test_a_column_that_is_hardly_filled_says_nothing() -> None:
    table = pd.DataFrame({"fax": ["386 52 86"] + [""] * 99, "who": [f"n{row}a" for row in range(100)]}, dtype="string")
    assert kinds_of(table)["fax"] == Kind.EMPTY
