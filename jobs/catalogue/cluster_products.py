"""Finds the clusters of a night's products: all of them anew through Spark, or the new ones by the index.

Fills DuckDB's working table ``proposed`` (``cluster_tables``) from its views ``products`` and ``before``.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads

from conf.settings.schema import Settings
from features.catalogue.assign import Assigned, IndexFacts, assign
from features.catalogue.build import product_clusters
from features.catalogue.config import CatalogueConfig, describe
from features.catalogue.reasons import CENTRE, NO_TITLE, all_reasons
from features.catalogue.vocabulary import Vocabulary
from jobs.catalogue.index import LakeIndex, add_to_index
from jobs.lake.lake import Draft, Lake
from jobs.lake.manifest import Manifest
from jobs.spark import session
from jobs.tables.clean import CLEAN

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

log = logging.getLogger(__name__)
#: share of new and changed products up to which they join the clusters there are; above, all are clustered anew
MOST_NEW = 0.3


def cluster_all(
    settings: Settings, engine: duckdb.DuckDBPyConnection, draft: Draft, text: str, config: CatalogueConfig
) -> Vocabulary:
    """Cluster all products with a title through Spark; return the vocabulary of their titles.

    Args:
        settings: of the installation.
        engine: with ``products``, ``proposed`` and ``reasons``.
        draft: of the stage; the lake's clean layer is read at its day.
        text: SQL of the title to compare.
        config: settings of the method.
    """
    spark = session(settings, "catalogue")
    products: DataFrame = draft.lake.spark(spark, CLEAN["products"], draft.day)
    titles = products.selectExpr("product_id", f"{text} as title").where("title is not null")
    clusters, words = product_clusters(titles, config)
    log.info("catalogue: %s titles, %s", f"{words.titles:,}", describe(*config.shape(words.titles)))
    clusters.write.parquet(draft.uri("catalogue/found"))
    spark.catalog.clearCache()
    folder = draft.folder("catalogue/found")
    engine.register("found", pads.dataset(folder, filesystem=draft.lake.fs, format="parquet"))
    _register_reasons(engine)
    engine.execute(
        "insert into proposed select product_id, title, 'c' || cluster, is_clusteroid, "
        f"case when is_clusteroid then 1.0 else confidence end, case when is_clusteroid then '{CENTRE}' "
        "else reasons.reason end from found join products using (product_id) join reasons using (flags)"
    )
    draft.lake.fs.delete_dir(folder)
    engine.execute("create or replace temp table fresh as from products where title is null")
    return words


def few_are_new(engine: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether ``fresh`` are few beside the others."""
    ((new, all_of_them),) = engine.execute("select (select count(*) from fresh), count(*) from products").fetchall()
    return bool(new <= MOST_NEW * all_of_them)


def only_added(engine: duckdb.DuckDBPyConnection, changed: int, decided: Collection[str]) -> bool:
    """Tell whether tonight's products are the night before's and ``fresh``, of which none is decided by hand.

    Args:
        engine: with ``products``, ``known_products`` and ``fresh``.
        changed: how many of ``fresh`` the night before had otherwise.
        decided: products decided by hand.
    """
    ((none_gone,),) = engine.execute(
        "select (select count(*) from products) = (select count(*) from known_products) + (select count(*) from fresh)"
    ).fetchall()
    if changed or not none_gone or not decided:
        return bool(none_gone) and not changed
    names = engine.sql("select product_id from fresh").to_arrow_table()["product_id"].to_pylist()
    return set(names).isdisjoint(decided)


def keep_old(engine: duckdb.DuckDBPyConnection) -> None:
    """Propose what the night before had, but for ``fresh`` products and those that are gone."""
    engine.execute(
        "insert into proposed select product_id, title, 'o' || cluster_id, is_clusteroid, confidence, reason "
        "from before anti join fresh using (product_id) semi join products using (product_id)"
    )


def assign_new(
    engine: duckdb.DuckDBPyConnection, lake: Lake, draft: Draft, before: Manifest, config: CatalogueConfig
) -> dict[str, int]:
    """Let ``fresh`` join the clusters there are; return the facts of the index, which learns of the new clusters.

    Makes ``met``: of the products that stand for the joined clusters, what the night before said.
    """
    fresh = engine.sql(
        "select product_id, title from fresh where title is not null order by product_id"
    ).to_arrow_table()
    if not fresh.num_rows:
        engine.execute("create or replace temp table met as from before limit 0")
        return add_to_index(draft, before, {})
    ids, titles = (fresh[name].combine_chunks() for name in ("product_id", "title"))
    assigned = assign(ids, titles, LakeIndex(lake, before), IndexFacts(**before.facts["index"]), config)
    engine.register("assigned", _as_table(ids, titles, assigned))
    _register_reasons(engine)
    engine.execute(
        "create or replace temp table met as select * from before semi join "
        "(select distinct known as product_id from assigned) using (product_id)"
    )
    # the known product names its cluster even where it is gone meanwhile, as long as the cluster is there
    engine.execute(
        "insert into proposed select product_id, title, case when known is null then 'n' || founder else "
        "'o' || coalesce(now.cluster_id, known) end, is_clusteroid, case when is_clusteroid then 1.0 else confidence "
        f"end, case when is_clusteroid then '{CENTRE}' else reasons.reason end from assigned "
        "left join (select product_id as known, cluster_id from met) as now using (known) join reasons using (flags)"
    )
    return add_to_index(draft, before, assigned.additions)


def add_untitled(engine: duckdb.DuckDBPyConnection) -> None:
    """Make each of ``fresh`` that has no title a cluster of its own."""
    engine.execute(
        f"insert into proposed select product_id, null, 'p' || product_id, true, 1.0, '{NO_TITLE}' "
        "from fresh where title is null"
    )


def _as_table(ids: pa.Array, titles: pa.Array, assigned: Assigned) -> pa.Table:
    heads = (assigned.first == np.arange(len(ids))) & ~assigned.stored.is_valid().to_numpy(zero_copy_only=False)
    return pa.table(
        {
            "product_id": ids,
            "title": titles,
            "known": assigned.stored,
            "founder": ids.take(pa.array(assigned.first)),
            "is_clusteroid": pa.array(heads),
            "confidence": pa.array(assigned.confidence.astype(np.float64)),
            "flags": pa.array(assigned.flags.astype(np.int16)),
        }
    )


def _register_reasons(engine: duckdb.DuckDBPyConnection) -> None:
    flags, texts = zip(*all_reasons(), strict=True)
    engine.register("reasons", pa.table({"flags": pa.array(flags, pa.int16()), "reason": pa.array(texts)}))
