"""What tests of trainings share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from training.networks import loop


@pytest.fixture
def killed_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], Any]], None]:
    """Return what does some work and breaks it off when as many epochs have left their state."""

    def killed(epochs: int, work: Callable[[], Any]) -> None:
        saved, done = loop._save, []

        def save(*arguments: Any) -> None:
            saved(*arguments)
            done.append(1)
            if len(done) == epochs:
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(loop, "_save", save)
            work()

    return killed
