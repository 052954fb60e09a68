"""Labelled sets for matching: real ones in the folder of data, and made ones with a wanted share of doubles."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class LabelledSet:
    """One table, or two that are put one below the other.

    ``family`` sets that share records; ``split`` rows of the left table, None where there is one; ``gold`` int64 keys
    ``row * len(table) + other row`` of all true pairs, the lower row first, ascending.
    """

    name: str
    family: str
    table: pd.DataFrame
    split: int | None
    gold: np.ndarray

    def truth(self, pairs: np.ndarray) -> np.ndarray:
        """Tell which pairs (m, 2) are one; bool (m,)."""
        return np.isin(pairs.min(axis=1) * len(self.table) + pairs.max(axis=1), self.gold)


def of_clusters(
    name: str, family: str, table: pd.DataFrame, labels: np.ndarray, split: int | None = None
) -> LabelledSet:
    """Return a set whose truth is a cluster for each row."""
    codes, n = pd.factorize(np.asarray(labels))[0], len(table)
    order = np.argsort(codes, kind="stable")
    sets = []
    for step in range(1, int(np.bincount(codes).max(initial=1))):
        same = codes[order[step:]] == codes[order[:-step]]
        one, other = order[:-step][same], order[step:][same]
        sets.append(np.minimum(one, other) * n + np.maximum(one, other))
    gold = np.unique(np.concatenate(sets)) if sets else np.zeros(0, np.int64)
    if split is not None:
        gold = gold[(gold // n < split) & (gold % n >= split)]
    return LabelledSet(name, family, table.reset_index(drop=True), split, gold)


def of_pairs(name: str, family: str, sides: list[pd.DataFrame], key: str, pairs: pd.DataFrame) -> LabelledSet:
    """Return a set of two tables whose truth is a list of pairs of keys; those that are not there are left out."""
    rows = [pd.Series(np.arange(len(side)), index=side[key]) for side in sides]
    one, other = pairs.iloc[:, 0].map(rows[0]), pairs.iloc[:, 1].map(rows[1])
    there = one.notna() & other.notna()
    table = pd.concat(sides, ignore_index=True)
    gold = one[there].astype(int) * len(table) + other[there].astype(int) + len(sides[0])
    return LabelledSet(name, family, table.drop(columns=key), len(sides[0]), np.unique(gold.to_numpy(np.int64)))


def real_sets(data: Path, parts: bool = False) -> Iterator[LabelledSet]:
    """Yield the real sets; with ``parts`` also halves, single copies and splits of them, which the fit needs."""
    for name, family, sides, key, pairs in _two_tables(data / "products"):
        yield of_pairs(name, family, sides, key, pairs)
        if parts and name in ("abt_buy", "dblp_acm"):
            for seed, shares in ((1, (0.6, 0.6)), (2, (1.0, 0.2)), (3, (0.3, 0.3))):
                some = [side.sample(frac=share, random_state=seed) for side, share in zip(sides, shares, strict=True)]
                yield of_pairs(f"{name} {shares[0]:.0%} {shares[1]:.0%}", family, some, key, pairs)
    for name, family, table, labels in _one_table(data):
        yield of_clusters(name, family, table, labels)
        if parts:
            once = ~pd.Series(labels).duplicated().to_numpy()
            yield of_clusters(f"{name} once", family, table[once], labels[once])
            yield from _splits(name, family, table, labels)


def _csv(path: Path, **options: str) -> pd.DataFrame:
    return pd.read_csv(path, dtype="string", skipinitialspace=True, encoding_errors="replace", **options).fillna("")  # type: ignore[call-overload, no-any-return]


def _parquet(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path).astype("string").fillna("")


def _two_tables(folder: Path) -> Iterator[tuple[str, str, list[pd.DataFrame], str, pd.DataFrame]]:
    for name, files, mark in (
        ("abt_buy", ("abt.csv", "buy.csv"), "|"), ("amazon_google", ("amazon.csv.gz", "gp.csv"), "#"),
    ):  # fmt: skip
        sides = [_csv(folder / name / file, sep=mark) for file in files]
        yield name, name, sides, "id", _csv(folder / name / "gt.csv", sep=mark)
    for name in ("abt_buy_full", "amazon_google_full", "dblp_acm"):
        sides = [_parquet(folder / name / f"table_{side}.parquet") for side in "ab"]
        yield name, name.removesuffix("_full"), sides, "_id", _parquet(folder / name / "gold.parquet")


def _one_table(data: Path) -> Iterator[tuple[str, str, pd.DataFrame, np.ndarray]]:
    offers = _csv(data / "products" / "pricerunner_half.csv.gz")
    yield "pricerunner_half", "pricerunner", offers[["product_title"]], offers["cluster_id"].to_numpy()
    people = _csv(data / "persons" / "fake_1000.csv")
    yield "fake_1000", "fake", people.drop(columns=["unique_id", "cluster"]), people["cluster"].to_numpy()
    for number in (1, 2, 3):
        people = _csv(data / "persons" / f"febrl{number}.csv.gz")
        yield (
            f"febrl{number}",
            "febrl",
            people.drop(columns="rec_id"),
            people["rec_id"].str.split("-").str[1].to_numpy(),
        )
    places = _csv(data / "persons" / "chicago" / "places.csv.gz")
    yield "places", "places", places.drop(columns=["True Id", "Id"]), places["True Id"].to_numpy()


def _splits(name: str, family: str, table: pd.DataFrame, labels: np.ndarray) -> Iterator[LabelledSet]:
    """Yield two tables made of one: the first record of each thing against later ones, more or less in common."""
    if name in ("febrl1", "febrl2"):
        return
    rng, once = np.random.default_rng(5), ~pd.Series(labels).duplicated().to_numpy()
    left = rng.permutation(np.flatnonzero(once))[:700]
    inside = np.isin(labels, labels[left])
    later = {
        "of many": np.flatnonzero(~once & inside)[:1500],
        "in common 0": np.flatnonzero(~once & ~inside)[:500],
        "in common some": np.concatenate([np.flatnonzero(~once & inside)[:50], np.flatnonzero(~once & ~inside)[:400]]),
    }
    for what, right in later.items():
        if len(right) > 20:
            rows = np.concatenate([left, right])
            yield of_clusters(f"{name} {what}", family, table.iloc[rows], labels[rows], len(left))


FIRST = [
    "Anna", "Boris", "Vera", "Gleb", "Daria", "Egor", "Zhanna", "Igor", "Kira", "Lev", "Maria", "Nikita", "Olga",
    "Pavel", "Rita", "Semyon", "Tamara", "Ulyana", "Fedor", "Yana", "Alla", "Bella", "Vadim", "Galina", "Denis",
    "Elena", "Zoya", "Ivan", "Klara", "Leonid", "Marina", "Nina", "Oleg", "Polina", "Roman", "Sofia",
]  # fmt: skip
LAST = [
    "Petrov", "Orlov", "Zaytsev", "Smirnov", "Kuznetsov", "Popov", "Sokolov", "Lebedev", "Kozlov", "Novikov",
    "Morozov", "Volkov", "Alekseev", "Semenov", "Golubev", "Vinogradov", "Bogdanov", "Vorobev", "Fedorov",
    "Mikhailov", "Belyaev", "Tarasov", "Belov", "Komarov", "Kiselev", "Makarov",
]  # fmt: skip
CITIES = ["Perm", "Omsk", "Tula", "Kazan", "Samara", "Ufa", "Tver", "Pskov", "Orel", "Kursk"]
BRANDS = ["Dymo", "Jolly", "Irbis", "Cobalt", "Borealis", "Acme", "Gorky", "Fjord", "Elka", "Hanza", "Nordic", "Vesta"]
THINGS = [
    "scale", "fan", "kettle", "mixer", "heater", "blender", "iron", "lamp", "toaster", "grinder", "juicer",
    "freezer",
]  # fmt: skip
COLOURS = ["green", "silver", "blue", "black", "red", "white", "grey", "gold"]


def persons(n: int, seed: int, numbers: int = 10_000) -> list[tuple[str, ...]]:
    """Make persons: name, e-mail with a number below ``numbers``, phone, city. Many share a name, none is double."""
    rng, records = random.Random(seed), []
    for _ in range(n):
        first, last = rng.choice(FIRST), rng.choice(LAST)
        mail = f"{first.lower()}.{last.lower()}{rng.randrange(numbers)}@{rng.choice(['mail', 'post', 'inbox'])}.example"
        records.append((f"{first} {last}", mail, f"+79{rng.randrange(10**9):09d}", rng.choice(CITIES)))
    return records


def titles(n: int, seed: int) -> list[tuple[str, ...]]:
    """Make product titles that differ in their model code, and often in nothing else."""
    rng, codes, records = random.Random(seed), set(), []
    while len(records) < n:
        code = f"{rng.choice('ABCDEFGHKLMNP')}{rng.randrange(100, 99999)}"
        if code not in codes:
            codes.add(code)
            records.append((f"{rng.choice(BRANDS)} {rng.choice(THINGS)} {rng.choice(COLOURS)} model {code}",))
    return records


def rewritten(row: tuple[str, ...], rng: random.Random) -> tuple[str, ...]:
    """Write a person or a title another way."""
    if len(row) == 1:
        words = row[0].split()
        kind = rng.random()
        if kind < 0.5:
            words.remove(words[2] if kind < 0.3 else "model")
        if rng.random() < 0.4:
            words = words[-1:] + words[:-1]
        return (" ".join(words).upper() if rng.random() < 0.3 else " ".join(words),)
    name, mail, phone, city = row
    first, last = name.split()
    kind = rng.random()
    first = f"{first[:1]}." if rng.random() < 0.3 else first
    last = last.replace("ov", "off") if rng.random() < 0.3 else last
    return (
        f"{first} {last}",
        "" if kind > 0.85 else mail.upper() if rng.random() < 0.5 else mail,
        "" if kind < 0.15 else phone.replace("+7", "8") if rng.random() < 0.5 else phone,
        city,
    )  # fmt: skip


def made(kind: str, n: int, doubles: int, seed: int) -> LabelledSet:
    """Make a table of ``n`` things (``persons``, ``titles``, ``people``: e-mails that differ little), some twice."""
    rows = titles(n, seed) if kind == "titles" else persons(n, seed, 100 if kind == "people" else 10_000)
    rng = random.Random(seed + 1)
    both = rows + [rewritten(row, rng) for row in rows[:doubles]]
    labels = np.concatenate([np.arange(n), np.arange(doubles)])
    return of_clusters(f"{kind} {n:,}, {doubles} double", "made", _table(both), labels)


def made_two(kind: str, n: int, common: int, seed: int, times: int = 1) -> LabelledSet:
    """Make two tables of about ``n`` things, ``common`` of which both have, the right one ``times`` times."""
    every = 2 * n - common
    rows = titles(every, seed) if kind == "titles" else persons(every, seed, 100 if kind == "people" else 10_000)
    rng = random.Random(seed + 1)
    right = [rewritten(row, rng) for row in rows[:common] for _ in range(times)] + rows[n:]
    labels = np.concatenate([np.arange(n), np.repeat(np.arange(common), times), np.arange(n, every)])
    return of_clusters(f"{kind} {n:,} x {n:,}, {common} in common", "made", _table(rows[:n] + right), labels, n)


def made_sets(sizes: tuple[int, ...], shares: tuple[float, ...], seed: int) -> Iterator[LabelledSet]:
    """Yield made sets of every kind, size and share of doubles."""
    for kind in ("persons", "people", "titles"):
        for n in sizes:
            for share in shares:
                yield made(kind, n, round(n * share), seed + n)
                yield made_two(kind, n, round(n * share), seed + n + 1)


def _table(rows: list[tuple[str, ...]]) -> pd.DataFrame:
    columns = ["title"] if len(rows[0]) == 1 else ["name", "email", "phone", "city"]
    return pd.DataFrame(rows, columns=columns, dtype="string")
