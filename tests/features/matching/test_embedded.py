"""E-mails and phones within texts."""

from __future__ import annotations

import pandas as pd

from features.matching.embedded import with_embedded


def test_mails_and_phones_within_texts_become_columns() -> None:
    table = pd.DataFrame({"who": ["Ann Lee a@b.org +79161058756 Rome", "Bob Ray c@d.org 8 (916) 105-87-57 Oslo"]})
    result = with_embedded(table)
    assert result["who: e-mail"].tolist() == ["a@b.org", "c@d.org"]
    assert result["who: phone"].tolist() == ["+79161058756", "8 (916) 105-87-57"]
    assert [text.split() for text in result["who"]] == [["Ann", "Lee", "Rome"], ["Bob", "Ray", "Oslo"]]


def test_columns_of_their_own_and_texts_with_few_stay_as_they_are() -> None:
    table = pd.DataFrame({
        "phone": ["+7 916 105-87-56", "+7 916 105-87-57", ""],
        "text": ["call 1234567890 or more", "kettle 1.7 l", "lamp 60 w"],
    })  # fmt: skip
    assert with_embedded(table).columns.tolist() == ["phone", "text"]
    assert with_embedded(table)["phone"].tolist() == table["phone"].tolist()
