"""From clusters as a method found them to the night's tables: decisions by hand, stable ids, journal.

SQL on DuckDB over the lake's Parquet files, which spills to disk: memory does not grow with the catalogue. Its working
table ``proposed`` holds a row a product: ``product_id, title, cluster, is_clusteroid, confidence, reason``, where
``cluster`` is any text that is equal within a cluster. ``before`` is the night before's ``product_clusters``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from conf.tables.catalogue import PRODUCT_CLUSTERS
from features.catalogue.decisions import Decisions, Member, moves
from features.catalogue.reasons import BY_HAND, CENTRE
from jobs.lake.lake import Draft
from jobs.lake.manifest import TableVersion

_COLUMNS = ", ".join(PRODUCT_CLUSTERS.names)
#: rows of a row group
_GROUP = 100_000


def write(
    engine: duckdb.DuckDBPyConnection, draft: Draft, name: str, query: str, schema: pa.Schema, **options: Any
) -> TableVersion:
    """Write the rows of a query as a table of the lake; ``options`` as of :meth:`jobs.lake.lake.Draft.arrow`."""
    batches = (batch.cast(schema) for batch in engine.sql(query).fetch_arrow_reader(_GROUP))
    return draft.arrow(name, pa.RecordBatchReader.from_batches(schema, batches), **options)


def decide(engine: duckdb.DuckDBPyConnection, decisions: Decisions) -> None:
    """Hold ``proposed`` to the decisions made by hand; only decided products are looked at one by one."""
    if not decisions.group:
        return
    _register(engine, "decided", dict.fromkeys(decisions.group, ""))
    rows = engine.execute(
        "with mine as (select * from proposed semi join decided using (product_id)), "
        "sizes as (select cluster, count(*) as products from proposed semi join mine using (cluster) group by 1) "
        "select product_id, cluster, products, is_clusteroid, confidence from mine join sizes using (cluster)"
    ).fetchall()
    members = {row[0]: Member(row[1], row[2], row[3], row[4]) for row in rows}
    merged, moved = moves(decisions, members)
    if merged:
        _register(engine, "renamed", merged)
        engine.execute("update proposed set cluster = value from renamed where cluster = renamed.product_id")
    if moved:
        _register(engine, "moved", moved)
        engine.execute("update proposed set cluster = value from moved where proposed.product_id = moved.product_id")
    same = {
        product: f"{BY_HAND}: the same as {', '.join(sorted(set(group) & set(members) - {product}))}"
        for group in decisions.members().values()
        if len(set(group) & set(members)) > 1
        for product in group
        if product in members
    }
    if same:
        _register(engine, "same", same)
        engine.execute(
            "update proposed set confidence = 1.0, reason = value from same where proposed.product_id = same.product_id"
        )


def mend_clusteroids(engine: duckdb.DuckDBPyConnection) -> None:
    """See to it that each cluster has one clusteroid: decisions by hand and products that leave may change that."""
    engine.execute(
        "create or replace temp table heads as with odd as (select cluster from proposed group by 1 "
        "having count(*) filter (where is_clusteroid) <> 1) "
        "select product_id, row_number() over (partition by cluster order by is_clusteroid desc, confidence desc, "
        "product_id) = 1 as head from proposed semi join odd using (cluster)"
    )
    engine.execute(
        "update proposed set is_clusteroid = head, confidence = case when head then 1.0 else confidence end, "
        f"reason = case when head then '{CENTRE}' else reason end "
        "from heads where proposed.product_id = heads.product_id and is_clusteroid <> head"
    )


def name_clusters(engine: duckdb.DuckDBPyConnection, day: date) -> None:
    """Give every cluster of ``proposed`` its id, as ``named`` (:data:`~conf.tables.catalogue.PRODUCT_CLUSTERS`).

    An id of the night before lives on in the cluster that holds most of its products; of several such ids the one
    with most products there (else the one with its founder) stays, the others end. Products whose titles changed count
    only between equals. A cluster without an id is named by its clusteroid.
    """
    engine.execute(
        "create or replace temp table kept as with shared as ("
        "select cluster, cluster_id, count(*) filter (where before.title is not distinct from proposed.title) as n, "
        "count(*) as changed, bool_or(product_id = cluster_id) as founder "
        "from proposed join before using (product_id) group by cluster, cluster_id), "
        "placed as (select * from shared qualify row_number() over "
        "(partition by cluster_id order by n desc, changed desc, founder desc, cluster) = 1) "
        "select cluster, cluster_id from placed qualify row_number() over "
        "(partition by cluster order by n desc, changed desc, founder desc, cluster_id) = 1"
    )
    engine.execute(
        "create or replace temp table ids as "
        "select proposed.cluster, coalesce(kept.cluster_id, case when taken.cluster_id is null then product_id "
        f"else product_id || '@{day}' end) as cluster_id "
        "from proposed left join kept using (cluster) left join kept as taken on taken.cluster_id = product_id "
        "where is_clusteroid"
    )
    engine.execute(f"create or replace temp view named as select {_COLUMNS} from proposed join ids using (cluster)")


def name_additions(engine: duckdb.DuckDBPyConnection, day: date) -> None:
    """Do the same where ``proposed`` holds only new products and nothing else has changed since the night before.

    ``ids`` also says whether the cluster is an ``old`` one, and how many ``products`` the night before had in it.
    """
    engine.execute(
        "create or replace temp table ids as with each as "
        "(select distinct cluster, substr(cluster, 2) as id, hash(id) as key, left(cluster, 1) = 'o' as joins "
        "from proposed), taken as (select known_products.cluster as key, count(*) as products from known_products "
        "semi join each on each.key = known_products.cluster group by 1) "
        "select cluster, coalesce(joins and products > 0, false) as old, products, "
        f"case when joins or products is null then id else id || '@{day}' end as cluster_id "
        "from each left join taken using (key)"
    )
    engine.execute(f"create or replace temp view named as select {_COLUMNS} from proposed join ids using (cluster)")


def added_to_shared() -> str:
    """Return the query of what new products add to the products that share a cluster: they, and who was alone."""
    return (
        "with several as (select cluster_id from named group by 1 having count(*) > 1 "
        "union select cluster_id from ids where old) "
        f"select {_COLUMNS} from named where cluster_id <> product_id or cluster_id in (from several) "
        # who alone gave a cluster its name is the product that was met in it
        f"union all select {_COLUMNS} from met where cluster_id = product_id "
        "and cluster_id in (select cluster_id from ids where old and products = 1)"
    )


def journal_of_additions() -> str:
    """Return the query of the journal of a night that only added products."""
    return (
        "select 'joined' as event, cluster_id, product_id as subject, 1 as products, null::varchar as from_cluster_id "
        "from named semi join (from ids where old) using (cluster_id) "
        "union all select 'new', cluster_id, cluster_id, count(*), null "
        "from named semi join (from ids where not old) using (cluster_id) "
        "group by cluster_id order by event, cluster_id, subject"
    )


def shared_clusters() -> str:
    """Return the query of the products that share a cluster, or whose cluster is not named by them."""
    return (
        f"select {_COLUMNS} from named where cluster_id <> product_id or cluster_id in "
        "(select cluster_id from named group by 1 having count(*) > 1)"
    )


def journal() -> str:
    """Return the query of what changed from ``before`` to ``named``, as ``CLUSTER_JOURNAL``."""
    return """
    with flows as (
        select old.cluster_id as old_id, new.cluster_id as new_id, count(*) as n
        from before as old join named as new using (product_id) where old.cluster_id <> new.cluster_id group by all),
    old_ids as (select distinct cluster_id from before), new_ids as (select distinct cluster_id from named),
    fresh as (select cluster_id from new_ids anti join old_ids using (cluster_id)),
    ended as (select cluster_id from old_ids anti join new_ids using (cluster_id)),
    added as (select named.* from named anti join before using (product_id))
    select 'merged' as event, new_id as cluster_id, old_id as subject, n as products, null::varchar as from_cluster_id
    from flows semi join ended on old_id = ended.cluster_id
    qualify row_number() over (partition by old_id order by n desc, new_id) = 1
    union all select 'split', new_id, old_id, n, null from flows semi join fresh on new_id = fresh.cluster_id
    union all select 'gone', cluster_id, cluster_id, 0, null from ended anti join flows on old_id = ended.cluster_id
    union all select 'new', cluster_id, cluster_id, count(*), null from added semi join fresh using (cluster_id)
        anti join flows on flows.new_id = added.cluster_id group by cluster_id
    union all select 'joined', cluster_id, product_id, 1, null from added semi join old_ids using (cluster_id)
    union all select 'moved', new.cluster_id, product_id, 1, old.cluster_id
        from before as old join named as new using (product_id)
        where old.cluster_id <> new.cluster_id and old.cluster_id not in (from ended)
        and new.cluster_id not in (from fresh)
    order by event, cluster_id, subject"""


def _register(engine: duckdb.DuckDBPyConnection, name: str, values: Mapping[str, str]) -> None:
    """Make a small table ``product_id, value``."""
    rows = pa.table({"product_id": list(values.keys()), "value": list(values.values())})
    engine.register(name, rows)
