"""Every model is declared once, and everything that needs to know of it reads that declaration."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from conf.errors import DataError
from conf.settings.load import load
from conf.tables.table import Column
from training import registry
from training.churn.spec import CHURN, NETWORKS
from training.spec import ModelSpec, loaded
from training.tables import CUSTOMER_SCORES, PUBLISHED

ROOT = Path(registry.__file__).parents[1]


def test_every_folder_that_declares_models_is_in_the_registry():
    declared = {f"training.{path.parent.name}.spec" for path in (ROOT / "training").glob("*/spec.py")}
    of_settings = "training.propensity.spec"  # whose models are those of conf/propensities.yml
    assert declared == {*registry.FAMILIES, of_settings}
    for family in registry.FAMILIES:
        assert {f"training.{spec.family}.spec" for spec in importlib.import_module(family).MODELS} == {family}


@pytest.mark.parametrize("spec", registry.all_specs(load().propensities), ids=lambda spec: spec.name)
def test_what_a_declaration_names_is_there(spec: ModelSpec):
    references = [spec.contenders, spec.days, spec.score, spec.weekly_contenders]
    references += [form.reader for form in spec.formats]
    assert all(callable(loaded(reference)) for reference in references if reference is not None)
    if spec.table is not None:
        assert spec.table in PUBLISHED
    for column in spec.columns:
        assert CUSTOMER_SCORES.column(column.name) is column


def test_names_in_the_registry_of_mlflow_are_those_of_the_declarations():
    propensities = load().propensities
    served = [spec.name for spec in registry.all_specs(propensities) if spec.challenges is None]
    assert registry.served_names(propensities) == served
    assert max(Counter(served).values()) == 1


def test_reading_the_registry_costs_no_heavy_import():
    heavy = "('pyspark', 'sklearn', 'lightgbm', 'keras', 'tensorflow', 'mlflow')"
    code = f"import sys; import training.tables; sys.exit(sum(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_model_whose_scores_go_nowhere_is_refused():
    with pytest.raises(ValueError, match="model churn would be trained and never scored"):
        replace(CHURN, columns=(), score=None, shown=())
    with pytest.raises(ValueError, match="model churn needs both columns and a score function"):
        replace(CHURN, score=None)
    with pytest.raises(ValueError, match=r"columns \['when'\] have types that are not scored"):
        replace(CHURN, columns=(Column("when", "date", "a day"),), shown=())
    with pytest.raises(ValueError, match=r"the report is to show \['churn'\], which are no columns"):
        replace(CHURN, shown=("churn",))
    with pytest.raises(ValueError, match="model churn_networks challenges churn, whose columns and table it serves"):
        replace(NETWORKS, table="next_actions")


def test_declarations_that_do_not_fit_together_are_refused_by_name():
    with pytest.raises(ValueError, match="model churn is declared twice; column churn_probability is declared twice"):
        registry.checked((CHURN, replace(CHURN, columns=CHURN.columns[:1])))
    with pytest.raises(ValueError, match="model churn_networks names churn, which no declaration serves"):
        registry.checked((NETWORKS,))


def test_a_kind_of_model_that_no_family_reads_is_refused_by_name():
    with pytest.raises(DataError, match=r"no model of the registry is of the kind keras \(transformer\)"):
        registry.format_of("keras", "transformer")
    with pytest.raises(ValueError, match=r"'training.churn.score:guess' names nothing"):
        loaded("training.churn.score:guess")
