"""What an edit of code or settings runs again: exactly the stages that read it."""

from __future__ import annotations

import ast
import re
import shutil
from datetime import date
from pathlib import Path

import pytest

from conf.settings.load import PLACE, load
from conf.settings.schema import Settings
from jobs.lake.fingerprint import ROOMS, ROOT, closure, fingerprint
from jobs.lake.reads import READS
from jobs.stages import Stage

DAY = date(2017, 12, 3)


@pytest.fixture
def tree(tmp_path) -> Path:
    """A copy of the project's code, templates and settings."""
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def fingerprints(tree: Path) -> dict[Stage, str]:
    settings = load(tree / "conf/nbo.yml")
    return {stage: fingerprint(settings, stage, DAY, {"clean": "1"}, tree) for stage in Stage}


#: place -> file, a text in it, its replacement, and the stages that run again
EDITS = {
    "docstring": ("scoring/segments/audiences.py", '    """Return', '    """Give back', set()),
    "DAGs": ("jobs/dag_runs.py", "\ndef night_of", "\nN = 1\n\n\ndef night_of", set()),
    "schedule": ("jobs/installation.py", '"nightly": "04:00"', '"nightly": "05:00"', set()),
    "comment": ("features/lines.py", "\ndef lines", "\n# a remark\ndef lines", set()),
    "function": (
        "scoring/segments/segment_files.py", "def columns(", "def columns_(): return 1\n\n\ndef columns(",
        {Stage.SCORE, Stage.SEGMENTS},
    ),
    "feature": (
        "features/customers/visits.py", "\ndef actions", "\nN = 1\n\n\ndef actions", {Stage.FEATURES, Stage.TRAIN},
    ),
    "segment title": (
        "conf/segments.yml", "title: Ready for a coupon", "title: Coupons", {Stage.SCORE, Stage.SEGMENTS},
    ),
    "policy": (
        "conf/policy.yml", "\nmax_contacts: ", "\nmax_contacts: 1", {Stage.SCORE, Stage.SEGMENTS, Stage.REPORT},
    ),
    "model": ("conf/models.yml", "\nmax_epochs: ", "\nmax_epochs: 1", {Stage.TRAIN}),
    "template": ("jobs/report/templates/base.html.j2", "</body>", "<p>more</p></body>", {Stage.REPORT}),
    "mapping": (
        "conf/sources/complete_journey.yml", "          brand: brand", "          brand: upper(brand)",
        {Stage.INGEST, Stage.VALIDATE, Stage.SCORE},
    ),
    "database": ("conf/nbo.yml", "nbo.db", "other.db", {Stage.PUBLISH}),
}  # fmt: skip


@pytest.mark.parametrize("place", EDITS)
def test_an_edit_runs_the_stages_again_that_read_it(tree, place):
    file, text, instead, expected = EDITS[place]
    before = fingerprints(tree)
    content = (tree / file).read_text(encoding="utf-8")
    assert text in content, f"{file} has no {text!r} any more"
    (tree / file).write_text(content.replace(text, instead, 1), encoding="utf-8")

    after = fingerprints(tree)

    assert {stage for stage in Stage if before[stage] != after[stage]} == expected


def test_references_of_models_count_where_models_run(tmp_path):
    (tmp_path / "training").mkdir()
    (tmp_path / "training/spec.py").write_text("'training.fit:contenders', 'no module: at all'\n")
    (tmp_path / "training/fit.py").write_text("")
    assert set(closure("training.spec", tmp_path)) == {"training.spec"}
    assert set(closure("training.spec", tmp_path, by_reference=True)) == {"training.spec", "training.fit"}
    assert {stage for stage in Stage if READS[stage].runs_models} == {Stage.TRAIN, Stage.SCORE}
    assert "training.churn.evaluate" in closure(READS[Stage.TRAIN].module, by_reference=True)


def test_a_night_and_inputs_count(tree):
    settings = load(tree / "conf/nbo.yml")
    one = fingerprint(settings, Stage.SCORE, DAY, {"clean": "1"}, tree)

    assert one == fingerprint(settings, Stage.SCORE, DAY, {"clean": "1"}, tree)
    assert one != fingerprint(settings, Stage.SCORE, DAY, {"clean": "2"}, tree)
    assert one != fingerprint(settings, Stage.SCORE, date(2017, 12, 4), {"clean": "1"}, tree)


def test_imports_in_functions_and_by_name_count(tmp_path):
    (tmp_path / "jobs").mkdir()
    texts = {
        "a": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import jobs.hint\n"
        "def f():\n    from jobs import b\n    'jobs.text'\n",
        "b": "from importlib import import_module\nimport_module('jobs.c')\nimport numpy\n",
        "c": "from jobs import a\n",
        "hint": "", "text": "", "apart": "",
    }  # fmt: skip
    for name, text in texts.items():
        (tmp_path / f"jobs/{name}.py").write_text(text)

    assert set(closure("jobs.a", tmp_path)) == {"jobs.a", "jobs.b", "jobs.c"}
    with pytest.raises(FileNotFoundError, match=r"no module jobs\.gone"):
        closure("jobs.gone", tmp_path)


@pytest.mark.parametrize("stage", Stage)
def test_stages_declare_the_settings_that_their_code_names(stage):
    """The other half of what :func:`jobs.lake.reads.settings_of` holds at run time."""
    declared = {*PLACE, *READS[stage].settings}
    for name, file in closure(READS[stage].module).items():
        if not name.startswith("jobs."):
            continue
        for path in settings_read(file):
            ok = any(f"{path}.".startswith(f"{one}.") or f"{one}.".startswith(f"{path}.") for one in declared)
            assert ok, f"{name} reads settings.{path}; stage {stage} declares {sorted(declared)}"


def settings_read(file: Path) -> set[str]:
    """Paths after ``settings.`` in a module, and in the templates beside it, where ``source`` is a part of them."""
    match = set()
    for template in file.parent.glob("templates/*.j2"):
        text = re.sub(r"\bsource\.", "settings.source.", template.read_text(encoding="utf-8"))
        match |= set(re.findall(r"\bsettings\.(\w+(?:\.\w+)?)", text))
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        parts: list[str] = []
        while isinstance(node, ast.Attribute) and node.attr != "settings":
            parts.insert(0, node.attr)
            node = node.value
        named = isinstance(node, ast.Attribute) or (isinstance(node, ast.Name) and node.id == "settings")
        if named and parts and parts[0] in Settings.model_fields:
            match.add(".".join(parts[:2]))
    return match
