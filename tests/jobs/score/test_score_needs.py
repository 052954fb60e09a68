"""Books of needs of a night: a source with its own, one without, and the query that the docs give."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from conf.settings.schema import Settings
from jobs.database import database
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.publish import publish_scores
from jobs.score.score_needs import write_need_tables
from jobs.score.score_segments import Population
from jobs.stages import Stage
from scoring.segments.audiences import Audience

DAY = date(2017, 12, 3)
KEYS = np.array([f"c{n:02d}" for n in range(40)], dtype=object)
PAGE = Path(__file__).parents[3] / "docs" / "models" / "characteristics.md"


def books(lake: Lake, clean: dict[str, dict[str, list[Any]]]) -> tuple[dict[str, list[dict[str, Any]]], dict[str, Any]]:
    """Write the tables of a night of YOGURT and FUEL, bought by c00 to c19; return them and the facts."""
    goods = {"product_type": ["YOGURT", "FUEL"], "category": [None] * 2, "department": [None] * 2}
    clean = {"products": {**goods, "offerable": [True, False]}, **clean}
    text = {"need_category_id", "category", "department"}
    with lake.draft(Stage.VALIDATE, DAY) as draft:
        for name, columns in clean.items():
            made = {c: pa.array(v, pa.string() if c in text or not v else None) for c, v in columns.items()}
            draft.arrow(f"clean/{name}", pa.table(made))
        draft.commit(Manifest("validate", str(DAY), ""))
    with lake.draft(Stage.FEATURES, DAY) as draft:
        bought = {"customer_id": list(KEYS[:20]), "product_type": ["YOGURT"] * 20, "baskets_84": [1] * 20}
        draft.arrow("features/affinity", pa.table(bought))
        draft.commit(Manifest("features", str(DAY), ""))
    with lake.draft(Stage.SCORE, DAY) as draft:
        some = Population(KEYS, [Audience("s", "f", "S", np.arange(10))])
        write_need_tables(lake, DAY, draft, ("characteristics:abc", ("FUEL", "YOGURT")), some)
        draft.commit(Manifest("score", str(DAY), ""))
    names = ("need_categories", "needs", "characteristics", "segment_needs")
    return {name: lake.arrow(f"scores/{name}", DAY).to_pylist() for name in names}, draft.facts


def test_the_books_of_a_source_count_and_what_they_do_not_name_answers_nothing(settings: Settings) -> None:
    own: dict[str, dict[str, list[Any]]] = {
        "need_categories": {"need_category_id": ["g"], "name": ["Home"]},
        "needs": {"need_id": ["w"], "name": ["Sweet"], "need_category_id": ["g"]},
        "characteristic_needs": {"characteristic": ["YOGURT"], "need_id": ["w"]},
    }
    result, facts = books(Lake(settings.lake), own)
    same = {"ds": DAY, "origin": "source"}
    assert result["need_categories"] == [{"need_category_id": "g", "name": "Home", **same}]
    assert result["needs"] == [{"need_id": "w", "name": "Sweet", "need_category_id": "g", **same}]
    same |= {"model": "characteristics:abc", "need_number": 1}
    assert result["characteristics"] == [
        {"characteristic": "FUEL", "dictionary_index": 0, "need_id": None, "need_category_id": None, **same},
        {"characteristic": "YOGURT", "dictionary_index": 1, "need_id": "w", "need_category_id": "g", **same},
    ]
    assert [(row["segment_id"], row["need_id"], row["buyers"], row["lift"]) for row in result["segment_needs"]] == [
        ("s", "w", 10, 2.0)
    ]
    assert facts["needs"] == {"origin": "source", "needs": 1, "characteristics_without": 1}


def test_a_source_with_needs_alone_has_no_links(settings: Settings) -> None:
    needs: dict[str, list[Any]] = {"need_id": ["w"], "name": ["Sweet"], "need_category_id": [None]}
    result, facts = books(Lake(settings.lake), {"needs": needs})
    assert [row["need_id"] for row in result["needs"]] == ["w"]
    assert [row["need_id"] for row in result["characteristics"]] == [None, None]
    assert (result["need_categories"], result["segment_needs"], "skipped" in facts) == ([], [], False)


def test_a_night_without_any_needs_says_why(settings: Settings) -> None:
    nothing: dict[str, list[Any]] = {"need_id": [], "name": [], "need_category_id": []}
    result, facts = books(Lake(settings.lake), {"needs": nothing})
    assert {name: len(rows) for name, rows in result.items()} == {
        "need_categories": 0, "needs": 0, "characteristics": 2, "segment_needs": 0
    }  # fmt: skip
    assert facts["skipped"] == {"needs": "the source has no book of needs, and its products no category or department"}


def test_the_query_of_the_docs_tells_what_to_stress(settings: Settings, make_night: Callable[..., Lake]) -> None:
    make_night()
    publish_scores.run(settings, DAY)
    query = re.findall(r"```sql\n(select n\.name.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    with database.connect(settings.database) as connection:
        rows = connection.execute(sa.text(query[0]), {"customer_id": "c0001"}).all()
    # of BANANAS .8, SOFT DRINKS .6 and CHEESE .4 the first two are above their thresholds
    assert [tuple(row) for row in rows] == [("FRUIT", "GROCERY", 0.8, 1, None), ("DRINKS", "GROCERY", 0.6, 1, None)]
