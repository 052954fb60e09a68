import json
import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.night.compare_homes import Intended, compare

PROFILE = {"customer_id": ["1", "2", "3"], "spend": [1.5, None, 2.0], "tags": [["a"], [], None]}
RUNS = {"ds": ["2017-12-03"], "customers": [3], "published_at": ["2026-01-01 00:00:00"]}


def home(folder: Path, profile: dict, name: str = "features/profile", runs: dict = RUNS, files: int = 1) -> Path:
    table = pa.table(profile)
    size = -(-table.num_rows // files)
    paths = []
    for number in range(files):
        paths.append(f"{name}/ds=2017-12-03/v={folder.name}/part-{number}.parquet")
        place = folder / "lake" / paths[-1]
        place.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.slice(number * size, size), place)
    manifest = {"tables": {name: {"files": [{"path": path} for path in paths]}}}
    place = folder / "lake/_nights/features/2017-12-03.json"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(manifest))
    with sqlite3.connect(folder / "nbo.db") as connection:
        connection.execute(f"create table nightly_runs ({', '.join(runs)})")
        connection.executemany(
            f"insert into nightly_runs values ({', '.join('?' * len(runs))})", list(zip(*runs.values(), strict=True))
        )
    return folder


@pytest.fixture
def before(tmp_path):
    return home(tmp_path / "before", PROFILE)


def test_rows_are_compared_whatever_their_order_and_files(before, tmp_path, capsys):
    turned = {name: values[::-1] for name, values in PROFILE.items()}
    after = home(tmp_path / "after", turned, files=2, runs=RUNS | {"published_at": ["2026-02-02 00:00:00"]})

    assert compare(before, after, Intended()) == []
    assert "2017-12-03 lake/features/profile: same (3 rows)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"spend": [1.5, None, 2.0000001]}, "1 of 3 rows differ; values by column: spend 1"),
        ({"spend": [None, 1.5, 2.0]}, "2 of 3 rows differ; values by column: equal, but in other rows"),
        ({"spend": [1, None, 2]}, "other types: spend (DOUBLE, now BIGINT)"),
        ({"spent": [1.5, None, 2.0]}, "columns of one side only: spent"),
    ],
)
def test_a_difference_is_named(before, tmp_path, capsys, changed, said):
    after = home(tmp_path / "after", PROFILE | changed)

    assert compare(before, after, Intended()) == ["lake/features/profile (2017-12-03)"]
    assert f"lake/features/profile: {said}" in capsys.readouterr().out


def test_a_repeated_row_counts(before, tmp_path):
    after = home(tmp_path / "after", {name: [*values, values[0]] for name, values in PROFILE.items()})

    assert compare(before, after, Intended()) == ["lake/features/profile (2017-12-03)"]


def test_a_row_of_the_database_counts(before, tmp_path):
    after = home(tmp_path / "after", PROFILE, runs=RUNS | {"customers": [4]})

    assert compare(before, after, Intended()) == ["database/nightly_runs (all nights)"]


def test_what_is_renamed_or_dropped_on_purpose_is_no_difference(before, tmp_path):
    renamed = {"customer": PROFILE["customer_id"], "spend": PROFILE["spend"], "tags": PROFILE["tags"]}
    after = home(tmp_path / "after", renamed, name="features/profiles")
    tables = {"lake/features/profile": "lake/features/profiles"}

    assert compare(before, after, Intended(tables)) == ["lake/features/profiles (2017-12-03)"]
    assert compare(before, after, Intended(tables, {"lake/features/profiles": {"customer_id": "customer"}})) == []
    assert len(compare(before, after, Intended())) == 2
    assert compare(before, after, Intended(dropped=("lake/features/*e",), added=("lake/features/profiles",))) == []


def test_a_reworded_text_is_left_out(before, tmp_path, capsys):
    after = home(tmp_path / "after", PROFILE | {"spend": [1.5, None, 7.0]})

    assert compare(before, after, Intended(reworded={"profile": {"spend"}})) == []
    assert "profile: same (3 rows); left out, reworded: spend" in capsys.readouterr().out


def test_an_empty_home_is_an_error(before, tmp_path):
    with pytest.raises(SystemExit, match="holds no published night"):
        compare(before, tmp_path, Intended())
