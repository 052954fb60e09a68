"""The lake shows the old version or the new one, whatever breaks in between."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyspark.errors import PythonException

from conf.errors import DataError
from jobs.lake.lake import Lake, addresses
from jobs.lake.manifest import Manifest
from jobs.lake.sweep import sweep
from jobs.stages import Stage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DAY = date(2017, 12, 3)
NAME = "features/profile"


def publish(lake: Lake, values: list[int], day: date = DAY, carry_from: date | None = None) -> Manifest:
    with lake.draft(Stage.FEATURES, day) as draft:
        draft.arrow(NAME, pa.table({"x": values}))
        if carry_from:
            draft.carry(NAME, lake.version(NAME, carry_from).files)
        return draft.commit(Manifest(str(Stage.FEATURES), str(day), ""))


def values(lake: Lake, day: date = DAY) -> list[int]:
    return sorted(lake.arrow(NAME, day)["x"].to_pylist())


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def test_a_draft_is_invisible_until_committed(lake: Lake) -> None:
    publish(lake, [1])
    with lake.draft(Stage.FEATURES, DAY) as draft:
        draft.arrow(NAME, pa.table({"x": [2, 3]}))
        assert values(lake) == [1]
        draft.commit(Manifest(str(Stage.FEATURES), str(DAY), ""))
    assert values(lake) == [2, 3]


def test_an_error_leaves_the_old_version_and_no_litter(lake: Lake) -> None:
    publish(lake, [1])
    before = sorted(Path(lake.base).rglob("*.parquet"))

    def fail() -> None:
        with lake.draft(Stage.FEATURES, DAY) as draft:
            draft.arrow(NAME, pa.table({"x": [2]}))
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fail()
    assert values(lake) == [1]
    assert sorted(Path(lake.base).rglob("*.parquet")) == before


def test_content_hash_sees_values_not_order_or_files(lake: Lake) -> None:
    one = publish(lake, [1, 2, 3]).content
    assert publish(lake, [3, 1, 2]).content == one
    assert publish(lake, [1, 2, 4]).content != one
    assert publish(lake, [1, 2]).content != one
    assert publish(lake, [1, 2, 3, 3]).content != one
    publish(lake, [1, 2], date(2017, 12, 1))
    assert publish(lake, [3], carry_from=date(2017, 12, 1)).content == one


def test_what_is_not_published_is_said_with_the_command_to_run(lake: Lake) -> None:
    with pytest.raises(DataError, match="no published features; run `nbo features --ds 2017-12-03` first"):
        lake.version(NAME, DAY)
    publish(lake, [1])
    with pytest.raises(DataError, match="no table features/affinity; it has"):
        lake.version("features/affinity", DAY)


def test_a_stage_cannot_publish_another_one_s_layer(lake: Lake) -> None:
    with pytest.raises(ValueError, match="does not publish"), lake.draft(Stage.SCORE, DAY) as draft:
        draft.arrow(NAME, pa.table({"x": [1]}))


def test_newest_looks_only_back(lake: Lake) -> None:
    for day in (1, 2, 5):
        publish(lake, [day], date(2017, 12, day))
    assert lake.newest(Stage.FEATURES, date(2017, 12, 5)) == date(2017, 12, 2)
    assert lake.newest(Stage.FEATURES, date(2017, 12, 1)) is None
    assert lake.days(Stage.FEATURES) == [date(2017, 12, day) for day in (1, 2, 5)]


def test_sweep_keeps_what_a_kept_night_names(lake: Lake) -> None:
    publish(lake, [1], date(2017, 12, 1))
    publish(lake, [2], date(2017, 12, 2), carry_from=date(2017, 12, 1))
    publish(lake, [3], date(2017, 12, 3))
    publish(lake, [4], date(2017, 12, 3))  # replaces the version above
    assert sweep(lake, keep=2, spare_seconds=3600) == {"nights": 1, "files": 0}
    assert sweep(lake, keep=2, spare_seconds=0) == {"nights": 0, "files": 1}
    assert values(lake, date(2017, 12, 2)) == [1, 2]
    assert values(lake) == [4]


KILLER = """
import os, signal, sys
from datetime import date
import pyarrow as pa
from jobs.lake import lake as module
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.stages import Stage
from jobs.lake.sweep import sweep

left = int(sys.argv[2])

def killing(function):
    def wrapped(*args, **kwargs):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return function(*args, **kwargs)
    return wrapped

for name in ("fsync", "replace", "open", "makedirs"):
    setattr(os, name, killing(getattr(os, name)))
lake = Lake(sys.argv[1])
with lake.draft(Stage.FEATURES, date(2017, 12, 3)) as draft:
    draft.arrow("features/profile", pa.table({"x": [2, 3]}))
    draft.commit(Manifest("features", "2017-12-03", ""))
"""


def test_killed_at_every_durable_step_a_reader_sees_old_or_new(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    publish(lake, [1])
    for point in range(50):
        code = subprocess.run([sys.executable, "-c", KILLER, lake.base, str(point)], check=False, timeout=60).returncode
        assert values(lake) in ([1], [2, 3])
        if code == 0:
            break
        assert code == -9
        publish(lake, [1])
    else:
        pytest.fail("the publish never came through")
    assert values(lake) == [2, 3]
    assert point >= 5
    with capsys.disabled():
        print(f"\nkill points of a lake publish tried: {point}")


FULL = """
import resource, signal, sys
from datetime import date
import numpy as np, pyarrow as pa
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.stages import Stage
from jobs.lake.sweep import sweep

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
lake = Lake(sys.argv[1])
with lake.draft(Stage.FEATURES, date(2017, 12, 3)) as draft:
    draft.arrow("features/profile", pa.table({"x": np.random.default_rng(1).integers(0, 2**60, 100_000)}))
    draft.commit(Manifest("features", "2017-12-03", ""))
"""


@pytest.mark.spark
def test_a_task_that_fails_while_spark_writes_keeps_the_old_version(lake: Lake, spark: SparkSession) -> None:
    before = publish(lake, [1])

    def fail_on_one_row(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if 77 in batch["x"].to_pylist():
                raise ValueError("planted")
            yield batch

    frame = spark.range(0, 100, 1, 4).toDF("x").mapInArrow(fail_on_one_row, "x long")
    with pytest.raises(PythonException, match="planted"), lake.draft(Stage.FEATURES, DAY) as draft:
        draft.spark(NAME, frame)
    assert lake.manifest(Stage.FEATURES, DAY) == before
    assert [str(file) for file in Path(lake.base).rglob("*.parquet")] == [
        str(Path(lake.base, file.path)) for table in before.tables.values() for file in table.files
    ]


def test_a_full_disk_keeps_the_old_version_and_leaves_no_litter(lake: Lake) -> None:
    publish(lake, [1])
    files = sorted(Path(lake.base).rglob("*"))
    done = subprocess.run([sys.executable, "-c", FULL, lake.base], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert values(lake) == [1]
    assert [file for file in sorted(Path(lake.base).rglob("*")) if file.is_file()] == [f for f in files if f.is_file()]


def test_a_bucket_has_one_name_for_arrow_and_one_for_spark() -> None:
    for root in ("s3://bucket/nbo?region=eu-west-1", "s3a://bucket/nbo?region=eu-west-1"):
        assert addresses(root) == ("s3://bucket/nbo?region=eu-west-1", "s3a://bucket/nbo")
    assert addresses("hdfs://host/nbo/") == ("hdfs://host/nbo", "hdfs://host/nbo")


def test_a_scheduler_is_told_what_waits_for_a_person() -> None:
    held = Manifest(str(Stage.TRAIN), str(DAY), "", facts={"awaiting": ["churn"]})
    assert held.summary()["awaiting"] == ["churn"]
    assert Manifest(str(Stage.TRAIN), str(DAY), "").summary()["awaiting"] == []


def test_lake_root_may_be_a_uri(tmp_path: Path) -> None:
    lake = Lake(f"file://{tmp_path}/lake")
    publish(lake, [7])
    assert values(Lake(str(tmp_path / "lake"))) == [7]
    assert os.path.isdir(tmp_path / "lake" / "features")
