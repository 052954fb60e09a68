from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import great_expectations.expectations as gxe
import pandas as pd
import pyarrow as pa

from expectations.checkpoint import Checkpoints, plain
from expectations.rules import Rule, matches

CANARY = "canary@private.example"
EMAIL = matches("email", r"^[a-z]+$", "letters")


def over_all_files(folder: Path) -> str:
    return "\n".join(
        path.read_text(errors="replace")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in {".html", ".json", ".yml"}
    )


def test_row_ids_are_whole_and_no_value_is_stored_or_shown(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "gx", tmp_path / "docs")
    rows = pd.DataFrame({"_id": range(500), "email": [CANARY] * 499 + ["fine"]})
    (outcome,) = checkpoints.check("customers", [EMAIL], rows)
    assert outcome.failed == tuple(range(499))  # more than the 200 that Great Expectations shows by default
    assert (outcome.passed, outcome.rows_checked) == (False, 500)
    index = checkpoints.build_docs()
    stored = over_all_files(tmp_path)
    page = index.read_text()
    assert not set(re.findall(r"https?://|<script|<link", page))  # it is read without a network
    links = re.findall(r'href="([^"]+)"', page)
    assert links
    assert all((index.parent / link).exists() for link in links)
    assert "format:email" in stored
    assert "canary" not in stored


def test_expectation_that_cannot_be_evaluated_says_so(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "gx", tmp_path / "docs")
    absent = Rule("absent", "", ("phone",), gxe.ExpectColumnValuesToNotBeNull(column="phone"))
    wrong = Rule("wrong", "", ("email",), gxe.ExpectColumnValuesToBeBetween(column="email", min_value=1))
    raises = Rule("raises", "", ("mixed",), gxe.ExpectColumnValuesToBeBetween(column="mixed", min_value=1))
    rows = pd.DataFrame({"_id": [0], "email": [CANARY], "mixed": pd.Series([{CANARY: 1}], dtype=object)})
    outcomes = checkpoints.check("customers", [absent, wrong, raises, EMAIL], rows)
    faults = {outcome.rule.name: outcome.fault for outcome in outcomes}
    assert faults["absent"] == 'Error: The column "phone" in BatchData does not exist.'
    assert faults["wrong"] is not None
    assert faults["raises"] is not None
    assert faults["format:email"] is None
    assert "canary" not in str(faults)
    assert not any(outcome.passed for outcome in outcomes)


def test_new_checkpoints_forget_the_old_run(tmp_path: Path) -> None:
    Checkpoints(tmp_path / "gx", tmp_path / "docs").check("a", [EMAIL], pd.DataFrame({"_id": [0], "email": ["a"]}))
    again = Checkpoints(tmp_path / "gx", tmp_path / "docs")
    again.check("a", [EMAIL], pd.DataFrame({"_id": [0], "email": ["a"]}))
    again.build_docs()
    assert len(list((tmp_path / "docs" / "validations").rglob("*.html"))) == 1


def test_plain_takes_days_of_any_year() -> None:
    rows = pa.table({"day": pa.array([date(1, 1, 1), date(9999, 12, 31), None])})
    years = plain(rows)["day"].dt.year
    assert years.tolist()[:2] == [1, 9999]
    assert years.isna().tolist() == [False, False, True]
