"""Records of one table and of two: what is claimed, what is not, and how sure it is."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.matching.one_source import group
from features.matching.two_sources import match

WORDS = [
    "anchor", "bridge", "candle", "desert", "ember", "falcon", "garden", "harbor", "island", "jungle", "kettle",
    "lantern", "meadow", "needle", "orchard",
]  # fmt: skip


def records(n: int, seed: int) -> list[str]:
    """Texts of five words and a number of their own."""
    rng = np.random.default_rng(seed)
    return [" ".join([*rng.choice(WORDS, 5), f"{rng.integers(10**6):06d}"]) for _ in range(n)]


def rewritten(texts: list[str], seed: int) -> list[str]:
    """The same records with words in another order, one left out, and a letter changed."""
    rng = np.random.default_rng(seed)
    result = []
    for text in texts:
        words = text.split()[1:]
        words[0] = words[0][:-1] + "x"
        result.append(" ".join(str(word) for word in rng.permutation(words)))
    return result


def test_a_side_that_repeats_itself_is_seen_and_all_its_records_are_matched() -> None:
    left, strangers = records(150, 1), records(60, 2)
    once = rewritten(left[:100], 3) + strangers
    result = match(left, once)
    assert result.repeats == ()
    right = set(zip(result.left.tolist(), result.right.tolist(), strict=True)) & {(row, row) for row in range(100)}
    assert len(right) >= 95
    assert len(right) / len(result.left) > 0.6
    twice = match(left, once + rewritten(left[:100], 4))
    assert twice.repeats == ("right",)
    pairs = set(zip(twice.left.tolist(), twice.right.tolist(), strict=True))
    assert len(pairs & {(row, row) for row in range(100)} | pairs & {(row, 160 + row) for row in range(100)}) >= 180


def test_a_tenth_of_two_sources_in_common_draws_in_few_strangers() -> None:
    left, strangers = records(400, 8), records(360, 9)
    result = match(left, rewritten(left[:40], 10) + strangers)
    right = sum(a == b and a < 40 for a, b in zip(result.left.tolist(), result.right.tolist(), strict=True))
    assert right >= 38
    assert right / len(result.left) > 0.8


def test_records_of_one_table_are_grouped_without_labels_and_in_any_order() -> None:
    base = records(200, 5)
    texts = base + rewritten(base[:80], 6) + rewritten(base[:30], 7) + [""]
    truth = [*range(200), *range(80), *range(30), 999]
    centres = group(texts).centres
    same = {(a, b) for a in range(len(truth)) for b in range(a) if truth[a] == truth[b]}
    said = {(a, b) for a in range(len(truth)) for b in range(a) if centres[a] == centres[b]}
    assert len(same & said) / len(said) > 0.9
    assert len(same & said) / len(same) > 0.9
    assert group(["one", "two"]).centres.tolist() == [0, 1]
    assert group([]).centres.tolist() == []


def test_two_sources_without_records_are_refused() -> None:
    with pytest.raises(ValueError, match="both sides need records; have 0 and 1"):
        match([], ["a"])


def test_abt_and_buy_are_matched_without_labels(data: Path) -> None:
    folder = data / "products" / "abt_buy"
    sides = [
        pd.read_csv(folder / f"{name}.csv", sep="|", dtype="string", encoding_errors="replace").fillna("")
        for name in ("abt", "buy")
    ]
    truth = pd.read_csv(folder / "gt.csv", sep="|", dtype="string")
    result = match(*(side.drop(columns="id") for side in sides))
    pairs = set(zip(sides[0]["id"].to_numpy()[result.left], sides[1]["id"].to_numpy()[result.right], strict=True))
    right = len(pairs & set(zip(truth["D1"], truth["D2"], strict=True)))
    assert 2 * right / (len(pairs) + len(truth)) >= 0.94  # a pair is .0005; the documentation has the figure


FIRST = [
    "Anna", "Boris", "Vera", "Gleb", "Daria", "Egor", "Igor", "Kira", "Lev", "Maria", "Nikita", "Olga", "Pavel",
    "Rita", "Semyon", "Tamara", "Fedor", "Yana",
]  # fmt: skip
LAST = [
    "Petrov", "Orlov", "Zaytsev", "Smirnov", "Kuznetsov", "Popov", "Sokolov", "Lebedev", "Kozlov", "Novikov",
    "Morozov", "Volkov", "Semenov",
]  # fmt: skip


def people(n: int, seed: int) -> pd.DataFrame:
    """Persons of whom many share a name and a town, but none an e-mail or a phone."""
    rng, rows = random.Random(seed), []
    for number in range(n):
        first, last = rng.choice(FIRST), rng.choice(LAST)
        mail = f"{first}.{last}{number}@example.org".lower()
        rows.append((f"{first} {last}", mail, f"+7916{rng.randrange(10**7):07d}", rng.choice(["Perm", "Omsk", "Tula"])))
    return pd.DataFrame(rows, columns=["name", "email", "phone", "city"], dtype="string")


def goods(n: int, seed: int) -> pd.DataFrame:
    """Titles that differ in their model code, and often in nothing else."""
    rng = random.Random(seed)
    codes = rng.sample(range(100, 10_000), n)
    brands, things = ["Dymo", "Jolly", "Irbis", "Acme"], ["fan", "kettle", "mixer", "lamp"]
    colours = ["red", "blue", "black"]
    titles = [
        f"{rng.choice(brands)} {rng.choice(things)} {rng.choice(colours)} model {rng.choice('ABCEH')}{c}" for c in codes
    ]
    return pd.DataFrame({"title": titles}, dtype="string")


def again(table: pd.DataFrame) -> pd.DataFrame:
    """The same persons with other spellings of name, e-mail and phone."""
    return table.assign(
        name=table["name"].str.replace("ov$", "off", regex=True),
        email=table["email"].str.upper(),
        phone=table["phone"].str.replace("+7", "8", regex=False),
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("share", [0, 0.01, 0.1])
def test_as_many_doubles_are_claimed_as_there_are(seed: int, share: float) -> None:
    table = people(300, seed)
    doubles = round(300 * share)
    result = group(pd.concat([table, again(table[:doubles])], ignore_index=True))
    assert (result.centres[300:] == np.arange(doubles)).sum() >= doubles - 3
    assert abs(300 - len(np.unique(result.centres))) <= 3


@pytest.mark.parametrize("seed", [1, 2])
def test_titles_that_differ_by_their_codes_are_none_of_them_double(seed: int) -> None:
    assert len(np.unique(group(goods(300, seed)).centres)) >= 297


@pytest.mark.parametrize("common", [0, 15, 150, 300])
def test_as_many_matches_are_claimed_as_two_tables_have_in_common(common: int) -> None:
    every = people(600 - common, 4)
    right = pd.concat([again(every[:common]), every[300:]], ignore_index=True)
    result = match(every[:300], right)
    assert abs(len(result.left) - common) <= 6  # a hundredth of the records
    assert (result.left == result.right).sum() >= common - 3


def test_hundreds_of_copies_are_one_cluster_and_numbered_signs_are_not() -> None:
    copies = [f"Northern Lights Trading Company {ending}" for ending in ("Ltd", "ltd.", "LTD")] * 100
    rest = [f"{first} {last} and sons" for first in FIRST for last in LAST[:5]]
    centres = group(copies + rest).centres
    assert set(centres[:300]) == {0}
    assert not np.isin(centres[300:], 0).any()


def test_equal_records_are_one_and_empty_ones_are_not() -> None:
    result = group(pd.DataFrame({"name": ["Old Mill", "old mill", "", "", "River House"]}, dtype="string"))
    assert result.centres.tolist() == [0, 0, 2, 3, 4]
    assert result.confidence[:2].tolist() == [1.0, 1.0]
