import pytest

from conf.settings.load import load
from conf.settings.sections import narrowed
from conf.settings.strict import UndeclaredSetting


def test_declared_sections_are_there_and_no_others():
    settings = load()

    part = narrowed(settings, ["horizon_days", "models.seed", "policy"])

    assert (part.horizon_days, part.models.seed, part.policy) == (28, settings.models.seed, settings.policy)
    assert part.model_dump() == {
        "horizon_days": 28, "models": {"seed": settings.models.seed}, "policy": settings.policy.model_dump(),
    }  # fmt: skip
    with pytest.raises(UndeclaredSetting, match=r"Settings\.offers is read, and the stage does not declare it"):
        _ = part.offers
    with pytest.raises(UndeclaredSetting, match=r"Models\.max_epochs"):
        _ = part.models.max_epochs
    assert settings.offers.per_customer == 5  # the whole settings stay whole


def test_a_whole_section_wins_over_its_parts():
    assert narrowed(load(), ["models.seed", "models"]).models == load().models


def test_narrowing_again_changes_nothing():
    part = narrowed(load(), ["models.seed"])

    assert narrowed(part, ["models.seed"]) == part


def test_a_section_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="has no setting offer; have"):
        narrowed(load(), ["offer"])
    with pytest.raises(ValueError, match="Models has no setting sead"):
        narrowed(load(), ["models.sead"])


def test_a_name_that_is_no_setting_stays_an_attribute_error():
    with pytest.raises(AttributeError, match="churm"):
        _ = load().churm
