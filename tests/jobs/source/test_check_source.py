"""The mapping of a ready source, run on its example: sums and counts close."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jobs.cli import main

ROOT = Path(__file__).parents[3]


def test_a_sample_is_read_mapped_and_summed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drop = tmp_path / "crm" / "2026-03-02"
    drop.mkdir(parents=True)
    shutil.copy(Path(__file__).parent / "examples" / "1c_sales.csv", drop)
    (tmp_path / "nbo.yml").write_text(
        f"home: {tmp_path}/home\nlake: '{{home}}/lake'\nexports: {tmp_path}/crm\ndatabase: 'sqlite://'\n"
        f"mlflow: 'sqlite://'\nsource: {ROOT}/conf/sources/examples/1c.yml\n"
    )
    assert main(["source", "check", "--conf", str(tmp_path / "nbo.yml")]) == 0
    said = capsys.readouterr().out
    assert "sales: 5 rows read, 0 malformed" in said
    assert "order_lines: 4 rows mapped, 4 clean, 0 quarantined" in said
    assert "money: 4,250.50 RUB clean" in said, "as the line of totals in the file says"
    assert "orders: 2 customers, 2 products" in said
    assert "0 thing(s) to mend" in said
    assert not (tmp_path / "home").exists(), "the sample's home is its own"
