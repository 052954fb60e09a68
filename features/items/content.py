"""What products are about, in stemmed words: an inverted index with TF-IDF weights, and products described alike.

Words come from title, category path, brand and attributes, by the tokenizer of the catalogue; numbers, sizes and codes
are left to it, since nobody is interested in "500". Words are stemmed (Snowball, Russian and English). Which words say
nothing is learnt from the catalogue itself: those in a tenth of all products, and those that every department uses
alike ("national", "assorted").

References: Salton and Buckley (1988), "Term-Weighting Approaches in Automatic Text Retrieval"; Porter (2001),
"Snowball"; Kullback and Leibler (1951) for how much a word's departments differ from all departments.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
import snowballstemmer
from pyspark.sql import Column, DataFrame, Window, functions as F

from conf.tables.items import PRODUCT_INDEX, SIMILAR_PRODUCTS
from features.catalogue.alphabet import decode
from features.catalogue.tokens import WORD, tokenize
from features.items.bought_together import with_names
from features.items.item_item import neighbours, numbered
from features.items.nearest import NearestConfig
from features.schemas import conform

#: words of fewer products are never dropped
JUDGED_FROM = 30
#: a word in more than this share of the products says nothing
MOST_SHARE = 0.1
#: so does one whose departments are those of the whole catalogue, up to so many nats
SPREAD = 0.2
#: products of a word in the inverted index: the most sold; bounds the work of a frequent word
POSTINGS = 2_000
#: words of fewer letters are left out
SHORTEST = 3
#: described alike: two words in common; words of more than 3,000 products are not followed
ALIKE = NearestConfig(weighting="bm25", top=3, least=2, most_items=3_000, most_baskets=500)


def product_words(products: DataFrame) -> DataFrame:
    """Return the stemmed words of every offerable product: ``product_id``, ``department``, ``word``; each word once."""
    described = F.concat_ws(
        " ", "title", "department", "category", "product_type", "brand", F.array_join(F.map_values("attributes"), " ")
    )
    texts = products.where("offerable").select("product_id", _department(), described.alias("text"))
    return texts.mapInArrow(_words, "product_id string, department string, word string")


def distinctive_words(words: DataFrame, products: DataFrame) -> DataFrame:
    """Judge the words by where they occur.

    Args:
        words: from :func:`product_words`.
        products: ``PRODUCTS``.

    Returns:
        One row per word: ``word``, ``products``, ``idf`` (log(1 + all products / products)) and ``is_stop``: it is in
        too many products, or no department uses it more than another.
    """
    sizes = products.where("offerable").groupBy(_department()).agg(F.count("*").alias("_size"))
    total = F.sum("_size").over(Window.partitionBy(F.lit(1)))
    sizes = sizes.select("department", (F.col("_size") / total).alias("_share"), total.alias("_all"))
    by_department = words.groupBy("word", "department").agg(F.count("*").alias("_n"))
    counted = (
        by_department.join(F.broadcast(sizes), "department")
        .groupBy("word")
        .agg(
            F.sum("_n").alias("products"),
            F.sum(F.col("_n") * F.log(F.col("_n") / F.col("_share"))).alias("_sum"),
            F.max("_all").alias("_all"),
            F.max("_share").alias("_largest"),
        )
    )
    divergence = F.col("_sum") / F.col("products") - F.log("products")
    frequent = F.col("products") > MOST_SHARE * F.col("_all")
    spread = (divergence < SPREAD) & (F.col("_largest") < 1)
    judged = F.col("products") >= JUDGED_FROM
    idf = F.log1p(F.col("_all") / F.col("products")).alias("idf")
    return counted.select("word", "products", idf, (judged & (frequent | spread)).alias("is_stop"))


def inverted_index(words: DataFrame, telling: DataFrame, items: DataFrame) -> DataFrame:
    """Return the products of each telling word.

    Weights are TF-IDF of unit length per product, so that a product with many words is not met more easily. A word
    keeps its :data:`POSTINGS` most sold products; products never sold come after those, by name.

    Args:
        words: from :func:`product_words`.
        telling: from :func:`distinctive_words`.
        items: ``product_id`` and ``item``, the most sold from 0.

    Returns:
        ``PRODUCT_INDEX``.
    """
    kept = words.join(F.broadcast(telling.where("not is_stop").select("word", "idf")), "word")
    length = F.sqrt(F.sum(F.col("idf") * F.col("idf")).over(Window.partitionBy("product_id")))
    weighted = kept.select("product_id", "word", (F.col("idf") / length).alias("weight"))
    ranked = weighted.join(F.broadcast(items.select("product_id", "item")), "product_id", "left")
    order = Window.partitionBy("word").orderBy(F.col("item").asc_nulls_last(), "product_id")
    return conform(
        ranked.withColumn("_place", F.row_number().over(order)).where(F.col("_place") <= POSTINGS), PRODUCT_INDEX
    )


def described_alike(
    words: DataFrame, telling: DataFrame, products: DataFrame, cold: DataFrame, buckets: int | None = None
) -> DataFrame:
    """Find the products described most like the ``cold`` ones (``product_id``), of whom sales say nothing.

    Args:
        words: from :func:`product_words`.
        telling: from :func:`distinctive_words`.
        products: ``PRODUCTS``.
        cold: the products asked for.
        buckets: None: every word counts for itself. Else words fall into so many buckets by a hash (Weinberger et al.
            2009), which bounds the columns however many words there are; words in one bucket are taken for one.

    Returns:
        ``SIMILAR_PRODUCTS`` with source ``content``: BM25 over shared words, at least two.
    """
    names = numbered(products.where("offerable"), "product_id")
    kept = words.join(F.broadcast(telling.where("not is_stop").select("word")), "word")
    events = kept.join(F.broadcast(names), "product_id").select(_hashed(buckets), "item")
    rows = F.broadcast(cold.join(names, "product_id").select("item"))
    named = with_names(neighbours(events.repartition("basket"), ALIKE).join(rows, "item"), names, "product_id")
    described = {"source": F.lit("content"), "customers": F.lit(None).cast("long"), "score": F.round("score", 6)}
    return conform(named.withColumns(described), SIMILAR_PRODUCTS)


def stems(texts: pa.Array) -> tuple[np.ndarray, pa.Array]:
    """Return the stemmed words of some texts: the row of each (int64) and the word; a word once a row.

    >>> row, words = stems(pa.array(["Fluid milks 1 L", "Красные штаны", None]))
    >>> row.tolist(), words.to_pylist()
    ([0, 0, 1, 1], ['fluid', 'milk', 'красн', 'штан'])
    """
    tokens = tokenize(texts)
    russian, english = snowballstemmer.stemmer("russian"), snowballstemmer.stemmer("english")
    stemmed = []
    for (start, end), group in zip(pairwise(tokens.text_offsets), tokens.groups, strict=True):
        word = decode(bytes(tokens.texts[start:end])) if group == WORD else ""
        stem = (russian if word[:1] >= "а" else english).stemWord(word)
        stemmed.append(stem if len(word) >= SHORTEST else "")
    order = np.argsort(tokens.names)
    place = order[np.searchsorted(tokens.names[order], tokens.hashes)]
    row = np.repeat(np.arange(len(tokens.offsets) - 1), np.diff(tokens.offsets))
    vocabulary, stem = np.unique(np.array([*stemmed, ""]), return_inverse=True)
    cells = np.unique(row * len(vocabulary) + stem[place])
    row, stem = cells // len(vocabulary), cells % len(vocabulary)
    kept = vocabulary[stem] != ""
    return row[kept], pa.array(vocabulary[stem[kept]].tolist(), pa.string())


def _hashed(buckets: int | None) -> Column:
    key = F.xxhash64("word")
    return (key if buckets is None else F.pmod(key, F.lit(buckets))).alias("basket")


def _department() -> Column:
    return F.coalesce("department", F.lit("")).alias("department")


def _words(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        row, word = stems(batch["text"])
        at = pa.array(row)
        yield pa.RecordBatch.from_arrays(
            [batch["product_id"].take(at), batch["department"].take(at), word], ["product_id", "department", "word"]
        )
