"""Settings are typed, and what is wrong in them is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from conf.errors import ConfigError
from conf.settings.load import DEFAULT, config_hash, load
from conf.settings.schema import Settings


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(DEFAULT.parent, tmp_path / "conf", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return tmp_path / "conf" / "nbo.yml"


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_shipped_settings_load_and_stand_beside_their_folder(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NBO_HOME", raising=False)
    settings = load(copy)
    assert settings.home == str(copy.parent.parent / "var")
    assert settings.lake == f"{settings.home}/lake"
    assert settings.source.name == "complete_journey"


def test_environment_wins(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBO_HOME", "/srv/nbo")
    monkeypatch.setenv("NBO_DATABASE_URL", "postgresql://nbo@db/crm")
    settings = load(copy)
    assert settings.lake == "/srv/nbo/lake"
    assert settings.database == "postgresql://nbo@db/crm"


def test_spark_settings_may_be_numbers_and_flags(copy: Path) -> None:
    edit(
        copy, "spark:", "spark:\n  conf: {spark.executor.cores: 2, spark.speculation: true, spark.executor.memory: 4g}"
    )
    assert load(copy).spark.conf == {
        "spark.executor.cores": "2",
        "spark.speculation": "true",
        "spark.executor.memory": "4g",
    }


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("nbo.yml", "horizon_days: 28", "horizon_day: 28", "horizon_day: Extra inputs are not permitted"),
        ("nbo.yml", "horizon_days: 28", "horizon_days: -1", "horizon_days: Input should be greater than 0"),
        ("nbo.yml", "horizon_days: 28", "horizon_days: 28\nhorizon_days: 7", "given twice: ['horizon_days']"),
        (
            "sources/complete_journey.yml",
            "mode: snapshot",
            "mode: upsert",
            "customers: Value error, complete: no part is",
        ),
        ("nbo.yml", "source: sources/complete_journey.yml", "source: sources/none.yml", "cannot read"),
        ("nbo.yml", "home: var", "home: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("offers.yml", "margin: 0.25", "margin: 25", "offers.product_types.margin: Input should be less than"),
        ("segments.yml", "slug: new_and_cold", "slug: ../../etc/passwd", "slug: String should match pattern"),
        ("segments.yml", "slug: new_and_cold", "slug: win_back", "slugs given twice: ['win_back']"),
        ("policy.yml", "control_share: 0.10", "control_share: no", "policy.control_share"),
        ("sources/complete_journey.yml", "schedule: daily", "schedule: hourly", "exports.orders.schedule"),
    ],
)
def test_a_fault_is_named(copy: Path, file: str, old: str, new: str, message: str) -> None:
    edit(copy.parent / file, old, new)
    with pytest.raises(ConfigError) as caught:
        load(copy)
    assert message in str(caught.value)


def test_all_faults_are_told_together(copy: Path) -> None:
    edit(copy, "horizon_days: 28", "horizon_days: -1\nchurm: 3")
    with pytest.raises(ConfigError, match=r"(?s)horizon_days.*churm|churm.*horizon_days"):
        load(copy)


def test_hash_changes_with_the_outcome_not_with_the_place(settings: Settings) -> None:
    moved = settings.model_copy(update={"lake": "s3://bucket/nbo", "database": "postgresql://x/y"})
    assert config_hash(moved) == config_hash(settings)
    assert config_hash(settings.model_copy(update={"horizon_days": 14})) != config_hash(settings)


def test_an_installation_of_two_files_takes_the_rest_from_what_is_shipped(copy: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    shutil.copy(copy.parent / "sources" / "complete_journey.yml", mine / "shop.yml")
    shutil.copy(copy.parent / "policy.yml", tmp_path / "policy.yml")
    edit(tmp_path / "policy.yml", "control_share: 0.10", "control_share: 0.25")
    places = "home: var\nlake: x\nexports: x\ndatabase: 'sqlite://'\nmlflow: x\n"
    (mine / "nbo.yml").write_text(f"{places}source: shop.yml\npolicy: policy.yml\n")
    settings = load(mine / "nbo.yml")
    assert settings.policy.control_share == 0.25, "beside its own folder"
    assert settings.offers == load().offers
    assert not settings.propensities.labels
    (mine / "nbo.yml").write_text(f"{places}source: none.yml\n")
    with pytest.raises(ConfigError, match=r"source: cannot read none\.yml.*mine/none\.yml"):
        load(mine / "nbo.yml")


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdef", "bcdefg", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "aliases write out to more than 100,000 values"),
        ("a: &a [*a]", "an alias stands within its own anchor"),
        ("a: " + "[" * 5_000, "nested too deep"),
        ("a: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("a: " + "x" * (1 << 20), "larger than 1,048,576 bytes"),
        ("a: b: c", "is not valid YAML"),
        ("- a", "must hold a mapping"),
    ],
)
def test_hostile_yaml_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "nbo.yml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load(tmp_path / "nbo.yml")


def test_yaml_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "nbo.yml").write_bytes("title: Тверь".encode("cp1251"))
    with pytest.raises(ConfigError, match="is not UTF-8 \\(byte 7\\)"):
        load(tmp_path / "nbo.yml")
