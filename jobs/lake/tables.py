"""How a table of the lake is declared: its path, the stage that publishes it, and its columns.

The declarations stand in ``jobs.tables``, a module a layer, so that a stage depends on those alone that it reads. The
raw layer has a table for each export of the source, and drafts keep working tables of their own; these have none.
"""

from __future__ import annotations

from collections.abc import Iterable

from conf.tables.table import Table
from jobs.stages import Stage

#: layer -> the stage that publishes it
LAYERS = {
    "raw": Stage.INGEST,
    "clean": Stage.VALIDATE,
    "quarantine": Stage.VALIDATE,
    "quality": Stage.VALIDATE,
    "catalogue": Stage.CATALOGUE,
    "features": Stage.FEATURES,
    "models": Stage.TRAIN,
    "scores": Stage.SCORE,
    "outcomes": Stage.MEASURE,
    "segments": Stage.SEGMENTS,
}


class LakeTable(str):
    """A table's path in the lake, ``layer/name``, which every function of the lake takes.

    ``columns`` is its declaration; None where the columns depend on the source or are declared where they are written.
    """

    columns: Table | None

    def __new__(cls, path: str, columns: Table | None = None) -> LakeTable:
        """Declare the table at ``path``.

        Raises:
            ValueError: no stage publishes that layer.
        """
        stage_of(path)
        table = super().__new__(cls, path)
        table.columns = columns
        return table

    @property
    def stage(self) -> Stage:
        """The stage that publishes it."""
        return stage_of(self)


def stage_of(path: str) -> Stage:
    """Return the stage that publishes the layer of ``path``.

    Raises:
        ValueError: no stage does.
    """
    name = path.split("/")[0]
    if name not in LAYERS:
        raise ValueError(f"the lake has no layer {name}; it has {sorted(LAYERS)}")
    return LAYERS[name]


def layer(name: str, tables: Iterable[tuple[str, Table | None]]) -> dict[str, LakeTable]:
    """Declare the tables of a layer by their names, with their columns where these are declared."""
    return {table: LakeTable(f"{name}/{table}", columns) for table, columns in tables}
