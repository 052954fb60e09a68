"""Titles that a customer can read, of product types and of coupons' scopes.

A product type's key is its place in the tree, ``CATEGORY / TYPE`` (:data:`SEPARATOR`); a key without a category is the
type alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pyspark.sql import DataFrame, Window, functions as F, types as T

SEPARATOR = " / "
#: categories that a coupon's title names
NAMED = 3
_SCHEMA = T.StructType([T.StructField("product_type", T.StringType()), T.StructField("type_title", T.StringType())])


def type_titles(products: DataFrame, words: Mapping[str, str]) -> DataFrame:
    """Return ``product_type`` and ``type_title`` of every product type; the driver holds some thousand names.

    Args:
        products: ``PRODUCTS``.
        words: abbreviation -> words, of ``offers.title_words``.
    """
    counts = products.where("product_type is not null").groupBy("product_type").count().collect()
    titles = titles_of({row["product_type"]: row["count"] for row in counts}, words)
    return products.sparkSession.createDataFrame(sorted(titles.items()), _SCHEMA)


def titles_of(sizes: Mapping[str, int], words: Mapping[str, str]) -> dict[str, str]:
    """Return key -> title: the type's name; with its category where the name says nothing alone or is another type's.

    Args:
        sizes: key -> products; of several types of one name the largest has it without its category.
        words: abbreviation -> words.

    >>> sizes = {"BACON / PREMIUM": 9, "FRUIT / BANANAS": 5, "ORAL CARE / BRUSHES": 7, "HAIR CARE / BRUSHES": 3}
    >>> sorted(titles_of(sizes, {}).values())
    ['Bananas', 'Brushes', 'Brushes (hair care)', 'Premium bacon']
    """
    titles, taken = {}, set()
    for key in sorted(sizes, key=lambda key: (-sizes[key], key)):
        category, name = _split(key, words)
        if category and name in _VAGUE and not _shared(category, name):
            name = f"{name} {category}"
        elif category and name in taken:
            name = f"{name} ({category})"
        taken.add(name)
        titles[key] = sentence(name)
    return titles


def scope_titles(scope: DataFrame, products: DataFrame, words: Mapping[str, str]) -> DataFrame:
    """Return ``offer_id`` and ``scope_title``: the largest categories of a coupon's scope, by products.

    Args:
        scope: ``OFFER_PRODUCTS``.
        products: ``PRODUCTS``; a product without a category counts by its type, one without either not at all.
        words: abbreviation -> words, of ``offers.title_words``.
    """
    place = products.select("product_id", F.coalesce("category", "product_type").alias("place")).where(
        "place is not null"
    )
    names = [(row[0], readable(row[0], words)) for row in place.select("place").distinct().collect()]
    readable_names = scope.sparkSession.createDataFrame(names, "place string, name string")
    sizes = scope.select("offer_id", "product_id").distinct().join(place, "product_id")
    sizes = sizes.join(F.broadcast(readable_names), "place").groupBy("offer_id", "name").count()
    largest = Window.partitionBy("offer_id").orderBy(F.desc("count"), F.asc("name"))
    ranked = sizes.withColumn("_rank", F.row_number().over(largest))
    listed = ranked.groupBy("offer_id").agg(
        F.count("*").alias("_all"),
        F.array_sort(F.collect_list(F.when(F.col("_rank") <= NAMED, F.struct("_rank", "name")))).alias("_ranked"),
    )
    listed = listed.withColumn("_names", F.transform("_ranked", lambda pair: pair["name"]))
    several = F.concat(
        F.array_join(F.slice("_names", 1, F.size("_names") - 1), ", "), F.lit(" and "), F.element_at("_names", -1)
    )
    text = (
        F.when(F.col("_all") > NAMED, F.concat(F.array_join("_names", ", "), F.lit(" and more")))
        .when(F.size("_names") > 1, several)
        .otherwise(F.element_at("_names", 1))
    )
    first = F.concat(F.upper(F.substring(text, 1, 1)), F.substr(text, F.lit(2)))
    return listed.select("offer_id", first.alias("scope_title"))


def readable(name: str, words: Mapping[str, str]) -> str:
    """Return a name of the source in lower case: abbreviations written out, remains of cut or coded text left out.

    >>> readable("SFT DRNK 2 LITER BTL CARB INCL", {"sft": "soft", "drnk": "drinks", "btl": "bottles"})
    'soft drinks 2 liter bottles carb incl'
    >>> readable("DAIRY CASE 100% PURE JUICE - O", {}), readable("CANDY BARS (SINGLES)(INCLUDING", {})
    ('dairy case 100% pure juice', 'candy bars')
    """
    text = re.sub(r"\([^)]*\)?", " ", name.lower())
    text = re.sub(r"\s-\s*\w{0,2}$", "", text.strip())
    text = re.sub(r"\s*[:/]\s*|\s+-\s+", ", ", re.sub(r"\s*&\s*", " & ", text))
    text = re.sub(r"[^\s,]+", lambda match: words.get(match.group(), match.group()), text)
    return re.sub(r"[\s,]*,[\s,]*", ", ", " ".join(text.split())).strip(" ,-") or name.lower()


def sentence(text: str) -> str:
    """Return ``text`` with its first letter in upper case."""
    return text[:1].upper() + text[1:]


#: names that say nothing without their category
_VAGUE = frozenset({
    "all other", "canned", "choice", "domestic", "dry", "economy", "enhanced", "flavored", "fresh",
    "frozen", "imported", "large", "lean", "light", "mainstream", "misc", "natural", "organic", "other",
    "packaged", "plain", "premium", "primal", "private label", "refrigerated", "regular", "seasonal",
    "select", "small", "specialty", "traditional", "value",
})  # fmt: skip


def _split(key: str, words: Mapping[str, str]) -> tuple[str, str]:
    category, _, name = key.rpartition(SEPARATOR)
    return readable(category, words) if category else "", readable(name, words)


def _shared(category: str, name: str) -> bool:
    """Return whether category and name share a word, singular and plural alike."""
    stems = [{re.sub(r"(es|s)$", "", word) for word in re.findall(r"\w{3,}", text)} for text in (category, name)]
    return bool(stems[0] & stems[1])
