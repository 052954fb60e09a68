"""What a training leaves besides registered models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa


@dataclass
class TrainingResults:
    """What a training leaves besides registered models.

    Attributes:
        skipped: model -> why it could not be trained.
        leaking: set -> inputs that depend on later days; None where no sets were built.
        studies: tables of rules and treatments by name.
        architectures: facts of the study of architectures.
    """

    skipped: dict[str, str] = field(default_factory=dict)
    leaking: dict[str, list[str]] | None = None
    studies: dict[str, pa.Table] = field(default_factory=dict)
    architectures: dict[str, Any] = field(default_factory=dict)
