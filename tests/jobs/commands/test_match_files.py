"""The command line that matches records of files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from jobs.cli import main, parser

PLACES = ["Oslo", "Bergen", "Turku", "Malmo", "Vaasa", "Odense", "Reykjavik", "Tromso", "Uppsala", "Tampere"]
NAMES = ["Blue Door Cafe", "Harbour Grill", "Golden Fork", "Old Mill Bakery", "River House", "Corner Noodle Bar"]
ROWS = [(f"{name} {place}", f"{len(name)}{len(place)} {place} Street {n}", f"{n}.50")
        for n, (name, place) in enumerate((name, place) for name in NAMES for place in PLACES)]  # fmt: skip


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    left = pd.DataFrame(ROWS, columns=["name", "address", "charge"]).assign(id=[f"l{n}" for n in range(len(ROWS))])
    right = left.assign(
        id=[f"r{n}" for n in range(len(ROWS))],
        name=left["name"].str.upper(),
        address=left["address"].str.replace("Street", "St."),
        charge="99.99",
    )
    left.to_csv(tmp_path / "a.csv", index=False)
    right.to_csv(tmp_path / "b.csv", index=False, sep=";")
    return str(tmp_path / "a.csv"), str(tmp_path / "b.csv")


def test_two_files_are_matched_whatever_their_separators(files: tuple[str, str], tmp_path: Path) -> None:
    out = tmp_path / "pairs.csv"
    assert main(["match", *files, "--out", str(out)]) == 0
    pairs = pd.read_csv(out)
    assert pairs.columns.tolist() == ["left_id", "right_id", "confidence"]
    assert (pairs["left_id"].str[1:] == pairs["right_id"].str[1:]).mean() > 0.95
    assert len(pairs) >= 55
    assert pairs["confidence"].between(0, 1).all()


def test_one_file_is_grouped(files: tuple[str, str], tmp_path: Path) -> None:
    both = pd.concat([pd.read_csv(files[0]), pd.read_csv(files[1], sep=";")])
    both.to_csv(tmp_path / "both.csv", index=False)
    out = tmp_path / "clusters.csv"
    assert main(["dedup", str(tmp_path / "both.csv"), "--id", "id", "--text", "name,address", "--out", str(out)]) == 0
    result = pd.read_csv(out)
    assert len(result) == len(both)
    clusters = result.assign(row=result["id"].str[1:]).groupby("row")["cluster"].nunique()
    assert (clusters == 1).mean() > 0.9
    assert set(result["cluster"]) <= set(result["id"])


def test_what_is_wrong_is_said(files: tuple[str, str], caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    assert main(["match", files[0], str(tmp_path / "none.csv")]) == 2
    assert main(["match", *files, "--id", "key"]) == 2
    assert main(["match", *files, "--text", "name,weight"]) == 2
    (tmp_path / "twice.csv").write_text("id,name\n1,a\n1,b\n")
    (tmp_path / "empty.csv").write_text("id,name\n")
    assert main(["dedup", str(tmp_path / "twice.csv")]) == 3
    assert main(["dedup", str(tmp_path / "empty.csv")]) == 3
    for said in (
        "there is no file", "has no column key; it has name, address, charge, id", "has no column(s) weight",
        "1 value(s) of id stand in several rows, first in data row 2", "has no rows",
    ):  # fmt: skip
        assert said in caplog.text


def test_kinds_are_logged_and_prices_left_out_unless_asked_for(
    files: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    main(["match", *files, "--out", "/dev/null"])
    assert "compared are name (title), address (address); left out charge (price)" in caplog.text
    main(["match", *files, "--text", "name,charge", "--out", "/dev/null"])
    assert "compared are name (title), charge (number)" in caplog.text
    assert parser().parse_args(["match", "a", "b"]).command == "match"


def test_a_pair_is_explained_without_its_values(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["match", *files, "--explain", "l3", "r3"]) == 0
    said = capsys.readouterr().out
    assert "for: texts are" in said
    assert "address (address): " in said
    assert "Blue Door" not in said
    assert main(["match", *files, "--explain", "l3", "nobody"]) == 2


def test_the_curve_is_printed_and_its_range_is_held(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curve"]) == 0
    assert "0.50              0.9990      0.9594      0.9549" in capsys.readouterr().out
    assert main(["curve", "--length", "100", "--target", "0.5"]) == 0
    assert "33 x 3" in capsys.readouterr().out
    assert main(["curve", "--length", "10"]) == 2
