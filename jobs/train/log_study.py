"""Keeps a study of architectures in MLflow, and for the nights' reports until the next study."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from jobs.inputs.newest_study import ARCHITECTURES

if TYPE_CHECKING:
    from training.contenders import ComparedArchitectures
    from training.models.tracking import Registry, Run

log = logging.getLogger(__name__)


def log_study(registry: Registry, run: Run, name: str, tags: Mapping[str, str], study: ComparedArchitectures) -> None:
    """Log parameters, curves and figures of every architecture: in a run of its own, and as a table with ``run``.

    Args:
        registry: where the runs go.
        run: the open run that trains the architecture that is chosen.
        name: of the task.
        tags: of that run.
        study: what was compared.
    """
    run.table(ARCHITECTURES, study.table)
    run.params({"architecture": study.chosen})
    log.info("%s: architecture '%s' of %d is trained", name, study.chosen, len(study.fits))
    for row in study.table.to_dict("records"):
        one = str(row["architecture"])
        with registry.run(
            f"{name} {tags['ds']}: {one}", study.configs[one].params, {**tags, "architecture": one}
        ) as own:
            own.curves(study.fits[one].curves)
            own.metrics({str(key): float(value) for key, value in row.items() if key != "architecture"})


def study_facts(study: ComparedArchitectures, day: date) -> dict[str, Any]:
    """Return what a report shows of a study: ``on``, and ``rows``; a gain is None where there was nothing to gain."""
    rows = study.table.astype(object).where(study.table.notna(), None).to_dict("records")
    return {"on": str(day), "rows": rows}
