import copy
import json
import re
from pathlib import Path

import pytest

from conf.tables.canonical import CANONICAL
from jobs.lake.tables import LAYERS, LakeTable, stage_of
from jobs.stages import Stage
from jobs.tables.catalogue import CLUSTERS, JOURNAL, KNOWN, SHARED_CLUSTERS
from jobs.tables.clean import CLEAN, QUALITY, QUARANTINE
from jobs.tables.features import FEATURES
from jobs.tables.models import MODELS
from jobs.tables.outcomes import CUSTOMER_OUTCOMES, OUTCOMES
from jobs.tables.scores import SCORES
from jobs.tables.segments import FILE_MEMBERSHIP
from training.tables import PUBLICATIONS

LAYERED = [*CLEAN.values(), *QUARANTINE.values(), *FEATURES.values(), *MODELS.values(), *SCORES.values()]
DECLARED = {*LAYERED, QUALITY, CLUSTERS, JOURNAL, KNOWN, SHARED_CLUSTERS, OUTCOMES, CUSTOMER_OUTCOMES, FILE_MEMBERSHIP}
#: what a stage writes for itself while it works, or by the source's own names
WORKING = ("catalogue/found",)


def test_a_table_is_its_path_with_stage_and_columns():
    table = CLEAN["order_lines"]

    assert (table, table.stage, table.columns) == ("clean/order_lines", Stage.VALIDATE, CANONICAL["order_lines"])
    assert json.dumps({table: 1}) == '{"clean/order_lines": 1}'
    assert copy.deepcopy(table).stage is Stage.VALIDATE


def test_a_layer_that_nobody_publishes_is_an_error():
    with pytest.raises(ValueError, match="the lake has no layer cleen; it has"):
        LakeTable("cleen/orders")
    assert stage_of("raw/crm/orders") is Stage.INGEST


def test_all_that_publish_loads_is_declared():
    for one in PUBLICATIONS:
        if one.lake is not None:
            assert one.lake in DECLARED, f"{one.lake} is published and not declared in jobs/tables"


def test_every_path_in_the_code_is_declared():
    text = re.compile(rf'"((?:{"|".join(LAYERS)})/\w+)"')
    for file in Path(__file__).parents[3].glob("jobs/**/*.py"):
        unknown = {*text.findall(file.read_text(encoding="utf-8"))} - {str(table) for table in DECLARED} - {*WORKING}
        assert not unknown, f"{file.name} names {sorted(unknown)}, which jobs/tables does not declare"
