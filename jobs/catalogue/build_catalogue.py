"""Finds which products are one, under ids that last: new products join the clusters there are.

Every product of the clean layer is in ``catalogue/product_clusters``: whoever joins by product loses none. Where
the source has no titles each is a cluster of its own, and the stage says so. Ids: see ``cluster_tables``.
"""

from __future__ import annotations

import csv
import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import duckdb

from conf.errors import ConfigError
from conf.settings.schema import Settings
from conf.tables.catalogue import CLUSTER_JOURNAL, PRODUCT_CLUSTERS
from conf.tables.types import arrow_schema
from features.catalogue.config import CatalogueConfig
from features.catalogue.decisions import APART, SAME, Decision, Decisions, resolve
from features.catalogue.reasons import NO_TITLE
from jobs.catalogue import cluster_tables as tables
from jobs.catalogue.known_products import add_known, find_fresh, write_known
from jobs.lake.facts import CatalogueFacts
from jobs.lake.lake import Draft, Lake
from jobs.lake.manifest import File, Manifest, TableVersion
from jobs.lake.night import publish
from jobs.lake.reads import settings_of
from jobs.stages import Stage
from jobs.tables.catalogue import CLUSTERS, JOURNAL, KNOWN, SHARED_CLUSTERS
from jobs.tables.clean import CLEAN

log = logging.getLogger(__name__)
_FIELDS = ("product_id", "other_product_id", "decision")


def run(settings: Settings, day: date, force: bool = False, recluster: bool = False) -> Manifest:
    """Publish the night's clusters; with ``recluster`` all products are clustered anew, under the ids there are.

    Raises:
        ConfigError: the decisions made by hand cannot be read.
        DataError: the night has no clean layer, or that has no products.
    """
    settings = settings_of(Stage.CATALOGUE, settings)
    lake = Lake(settings.lake)
    current, earlier = lake.manifest(Stage.CATALOGUE, day), lake.newest(Stage.CATALOGUE, day)
    recluster = recluster or CatalogueFacts.of(current).reclustered
    decisions, read = read_decisions(Path(settings.home, settings.catalogue.decisions))
    inputs = {
        "products": lake.version(CLEAN["products"], day).content,
        "decisions": read,
        "reclustered": str(recluster),
        "earlier": lake.need(Stage.CATALOGUE, earlier).content if earlier else "none",
    }
    night = _CatalogueNight(settings, lake, day, earlier, decisions)
    return publish(settings, Stage.CATALOGUE, day, inputs, partial(_build, night, inputs, recluster), force)


def method_of(settings: Settings) -> CatalogueConfig:
    """Return the settings of the method."""
    return CatalogueConfig(**settings.catalogue.model_dump(exclude={"text", "decisions"}))


def read_decisions(file: Path) -> tuple[Decisions, str]:
    """Read the decisions made by hand and a hash of them; no file means none.

    Raises:
        ConfigError: a column is missing or a line is not a decision; all such lines are named.
    """
    if not file.exists():
        return resolve([]), "none"
    content = file.read_bytes()
    rows = list(csv.DictReader(content.decode("utf-8-sig").splitlines()))
    missing = [name for name in _FIELDS if rows and name not in rows[0]]
    if missing:
        raise ConfigError(f"{file}: missing column(s) {missing}; have {list(rows[0])}")
    lines, faults = [], []
    for number, row in enumerate(rows, 2):
        one, other, what = ((row[name] or "").strip() for name in _FIELDS)
        if not one or not other or one == other or what not in (SAME, APART):
            faults.append(f"  line {number}: {one!r}, {other!r}, {what!r}")
        lines.append(Decision(number, one, other, what))
    if faults:
        wanted = f"two products and {SAME} or {APART}"
        raise ConfigError(f"{file}: {len(faults)} line(s) are not {wanted}:\n" + "\n".join(faults))
    return resolve(lines), hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class _CatalogueNight:
    """What the clusters of one night are made of."""

    settings: Settings
    lake: Lake
    day: date
    earlier: date | None
    decisions: Decisions

    @property
    def text(self) -> str:
        """The SQL of the text that is compared: null for a product without the first of its columns."""
        first, *_ = columns = self.settings.catalogue.text
        return f"case when trim({first}) <> '' then concat_ws(' ', {', '.join(columns)}) end"


def _build(night: _CatalogueNight, inputs: dict[str, str], recluster: bool, draft: Draft) -> None:
    before = night.lake.need(Stage.CATALOGUE, night.earlier) if night.earlier else None
    config = method_of(night.settings)
    method = f"{night.text}; {config}; hashes of DuckDB {duckdb.__version__}"
    draft.facts = {"skipped": {}, "reclustered": recluster, "refused": night.decisions.refused, "method": method}
    for line in night.decisions.refused:
        log.warning("catalogue: a decision by hand is refused: %s", line)
    same = before is not None and CatalogueFacts.of(before).method == method and not recluster
    if before and same and all(before.inputs[name] == inputs[name] for name in ("products", "decisions")):
        _carry(draft, before)
        return
    with _engine(night) as engine:
        if before and same and CatalogueFacts.of(before).index:
            decided_so = before.inputs["decisions"] == inputs["decisions"]
            if _join(night, engine, draft, before, config, decided_so):
                return
        if engine.execute("select 1 from products where title is not null limit 1").fetchall():
            _cluster(night, engine, draft, config)
        else:
            _say_untitled(night, engine, draft)
            _write(night, engine, draft, first=before is None)


def _join(
    night: _CatalogueNight,
    engine: duckdb.DuckDBPyConnection,
    draft: Draft,
    before: Manifest,
    config: CatalogueConfig,
    decided_so: bool,
) -> bool:
    """Let new products join the clusters of the night ``before``, unless they are too many; tell whether they did.

    ``decided_so``: the decisions by hand are those of the night before.
    """
    from jobs.catalogue.cluster_products import add_untitled, assign_new, few_are_new, keep_old, only_added

    _attach(engine, "known_products", night.lake, before.tables[KNOWN].files)
    changed = find_fresh(engine, night.settings.catalogue.text, night.text)
    if not few_are_new(engine):
        return False
    additions = decided_so and only_added(engine, changed, night.decisions.group)
    if additions and not engine.execute("select count(*) from fresh").fetchall()[0][0]:
        _carry(draft, before)  # products changed, but none of their titles
        return True
    if not additions:
        keep_old(engine)
    draft.facts["index"] = assign_new(engine, night.lake, draft, before, config)
    add_untitled(engine)
    if additions:
        _append(night, engine, draft, before)
    else:
        _write(night, engine, draft, first=False)
        write_known(engine, draft, night.settings.catalogue.text)
    return True


def _cluster(night: _CatalogueNight, engine: duckdb.DuckDBPyConnection, draft: Draft, config: CatalogueConfig) -> None:
    """Cluster all products."""
    from jobs.catalogue.cluster_products import add_untitled, cluster_all
    from jobs.catalogue.index import write_index

    words = cluster_all(night.settings, engine, draft, night.text, config)
    add_untitled(engine)
    _write(night, engine, draft, first=night.earlier is None)
    write_known(engine, draft, night.settings.catalogue.text)
    draft.facts["index"] = write_index(engine, draft, words, config)


def _say_untitled(night: _CatalogueNight, engine: duckdb.DuckDBPyConnection, draft: Draft) -> None:
    """Make each product a cluster of its own, and say why."""
    why = f"{night.settings.source.name} has no titles; each product is a cluster of its own"
    log.warning("product_clusters: %s", why)
    draft.facts["skipped"]["product_clusters"] = why
    draft.facts["index"] = None
    engine.execute(
        f"insert into proposed select product_id, null, 'p' || product_id, true, 1.0, '{NO_TITLE}' from products"
    )


def _carry(draft: Draft, before: Manifest) -> None:
    """Take everything over from the night before; nothing has happened since."""
    for name, version in before.tables.items():
        if name != JOURNAL:
            draft.carry(name, version.files)
    draft.arrow(JOURNAL, arrow_schema(CLUSTER_JOURNAL).empty_table())
    draft.facts |= {name: before.facts[name] for name in before.facts if name not in draft.facts}
    draft.facts["skipped"] = before.facts["skipped"]


@contextmanager
def _engine(night: _CatalogueNight) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open DuckDB with tonight's ``products``, the clusters of the night ``before`` and an empty ``proposed``."""
    spill = Path(night.settings.home, "spill")
    with duckdb.connect(config={"temp_directory": str(spill)}) as engine:
        _attach(engine, "clean", night.lake, night.lake.version(CLEAN["products"], night.day).files)
        engine.execute(f"create temp view products as select product_id, {night.text} as title from clean")
        if night.earlier:
            _attach(engine, "before", night.lake, night.lake.version(CLUSTERS, night.earlier).files)
        else:
            engine.register("before", arrow_schema(PRODUCT_CLUSTERS).empty_table())
        engine.execute(
            "create temp table proposed (product_id varchar, title varchar, cluster varchar, is_clusteroid boolean, "
            "confidence double, reason varchar)"
        )
        yield engine


def _attach(engine: duckdb.DuckDBPyConnection, name: str, lake: Lake, files: tuple[File, ...]) -> None:
    """Make a view of the rows of ``files``; DuckDB's own reader is several times faster than through Arrow."""
    if lake.local:
        paths = [f"{lake.base}/{file.path}" for file in files]
        engine.read_parquet(paths, hive_partitioning=False).create_view(name)
    else:
        engine.register(name, lake.arrow_files(files))


def _write(night: _CatalogueNight, engine: duckdb.DuckDBPyConnection, draft: Draft, first: bool) -> None:
    """Settle what is proposed and write it; the first night has no journal, since everything is new in it."""
    tables.decide(engine, night.decisions)
    tables.mend_clusteroids(engine)
    tables.name_clusters(engine, night.day)
    ((clusters,),) = engine.execute("select count(distinct cluster_id) from named").fetchall()
    _copy(engine, draft, CLUSTERS, "select * from named order by product_id")
    shared = _copy(engine, draft, SHARED_CLUSTERS, f"{tables.shared_clusters()} order by cluster_id, product_id")
    _copy(engine, draft, JOURNAL, tables.journal() + (" limit 0" if first else ""))
    draft.facts |= {"clusters": clusters, "sharing": shared.rows}


def _append(night: _CatalogueNight, engine: duckdb.DuckDBPyConnection, draft: Draft, before: Manifest) -> None:
    """Add new products to the tables of the night before, whose files are taken over as they are."""
    tables.name_additions(engine, night.day)
    for name in (CLUSTERS, SHARED_CLUSTERS, KNOWN):
        draft.carry(name, before.tables[name].files)
    ((new,),) = engine.execute("select count(*) from ids where not old").fetchall()
    _copy(engine, draft, CLUSTERS, "select * from named order by product_id")
    shared = _copy(engine, draft, SHARED_CLUSTERS, f"{tables.added_to_shared()} order by cluster_id, product_id")
    _copy(engine, draft, JOURNAL, tables.journal_of_additions())
    add_known(engine, draft)
    draft.facts |= {"clusters": CatalogueFacts.of(before).clusters + new, "sharing": shared.rows}


def _copy(engine: duckdb.DuckDBPyConnection, draft: Draft, name: str, query: str) -> TableVersion:
    """Write the rows of a query as a table of the catalogue."""
    return tables.write(
        engine, draft, name, query, arrow_schema(CLUSTER_JOURNAL if name == JOURNAL else PRODUCT_CLUSTERS)
    )
