"""Keeps a study of architectures in MLflow: a table with the run that it belongs to, and a run of its own for each."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.characteristic_architectures import Study
    from training.tracking import Registry, Run

log = logging.getLogger(__name__)
#: name of the table among the files of a run
ARCHITECTURES = "architectures"


def log_study(registry: Registry, run: Run, name: str, tags: Mapping[str, str], study: Study) -> None:
    """Log parameters, curves and figures of every architecture.

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
        with registry.run(f"{name} {tags['ds']}: {one}", study.configs[one].told, {**tags, "architecture": one}) as own:
            own.curves(study.fits[one].curves)
            own.metrics({str(key): float(value) for key, value in row.items() if key != "architecture"})
