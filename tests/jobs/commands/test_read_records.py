"""Files of records in any usual form."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from conf.errors import DataError
from jobs.commands.read_records import encoding_of, ids, read, separator_of

TEXT = "id{0}name{0}town\n1{0}Чай, чёрный{0}Пермь\n2{0}Кофе; молотый{0}Омск\n"


@pytest.mark.parametrize("mark", ["#", "%", "|", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1251"])
def test_separators_and_encodings_are_seen(mark: str, encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(TEXT.format(mark).encode(encoding))
    table = read(str(file))
    assert table.columns.tolist() == ["id", "name", "town"]
    assert table["name"].tolist() == ["Чай, чёрный", "Кофе; молотый"]


def test_accented_letters_without_utf_8_are_latin(tmp_path: Path) -> None:
    assert encoding_of("id,name\n1,Café Zoë\n".encode("latin-1")) == "latin-1"
    with pytest.raises(ValueError, match="zero bytes"):
        encoding_of(b"id,name\n1,a" + b"\0")


def test_delimiters_at_the_ends_of_lines_make_no_column(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    for text in ("id;name;\n1;Anna;\n2;Boris;\n", "id;name\n1;Anna;\n2;Boris;\n"):
        file.write_text(text)
        table = read(str(file))
        assert table.columns.tolist() == ["id", "name"]
        assert table["name"].tolist() == ["Anna", "Boris"]


def test_commas_in_the_header_of_one_column_are_no_separators() -> None:
    assert separator_of(["id#title#about", "1#a, b#c, d, e", "2#f#g, h"]) == "#"
    assert separator_of(["name", "a", "b"]) == ","


def test_an_empty_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(DataError, match=r"a\.csv is empty"):
        read(str(tmp_path / "a.csv"))


def test_a_repeated_id_is_said_by_its_row_and_not_by_its_value() -> None:
    table = pd.DataFrame({"email": ["a@b.org", "c@d.org", "a@b.org"]})
    with pytest.raises(DataError, match=r"1 value.s. of email stand in several rows, first in data row 3") as caught:
        ids(table, "email", "x.csv")
    assert "a@b.org" not in str(caught.value)
