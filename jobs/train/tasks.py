"""All models of the pipeline but the configured propensities, in the order in which they are trained."""

from __future__ import annotations

from jobs.train import customer_trials, offer_trials
from jobs.train.trials import Task

TASKS: dict[str, Task] = {task.name: task for task in (*customer_trials.TASKS, *offer_trials.TASKS)}
