"""Measures a call in wall seconds, and in CPU seconds and memory of this process and all below it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from statistics import median
from typing import Self

import psutil


class _Watch:
    """Looks at this process and all below it, every some seconds of a ``with`` block."""

    every: float

    def __enter__(self) -> Self:
        """Start."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        """Stop."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        self.look()
        while not self._stop.wait(self.every):
            self.look()

    def look(self) -> None:
        """Take note of what there is now."""
        raise NotImplementedError


def _processes() -> Iterator[psutil.Process]:
    own = psutil.Process()
    yield from (own, *own.children(recursive=True))


class Meter(_Watch):
    """Counts the CPU seconds of a ``with`` block, in this process and all below it.

    It looks every second, and so keeps what was used by processes that end in between, as Spark's workers do once
    they have been idle for a minute.
    """

    every = 1.0

    def __enter__(self) -> Self:
        """Start."""
        self._used: dict[tuple[int, float], float] = {}
        self.look()
        self._before = dict(self._used)
        return super().__enter__()

    def __exit__(self, *raised: object) -> None:
        """Stop, and set ``seconds``."""
        super().__exit__(*raised)
        self.look()
        self.seconds = sum(used - self._before.get(key, 0.0) for key, used in self._used.items())

    def look(self) -> None:
        """Take note of the CPU seconds of each process so far."""
        for process in _processes():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                self._used[process.pid, process.create_time()] = times.user + times.system


class Peak(_Watch):
    """Watches the resident memory of a ``with`` block, in this process and all below it; ``gigabytes`` is the most."""

    every, gigabytes = 0.2, 0.0

    def look(self) -> None:
        """Take note of the memory held now."""
        total = 0
        for process in _processes():
            with suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        self.gigabytes = max(self.gigabytes, total / 1e9)


def compare(title: str, ours: Callable[[], object], peers: dict[str, Callable[[], object]], rounds: int = 3) -> None:
    """Run ``ours`` and ``peers`` in turn, after one round that does not count, and print medians and ratios."""
    works = {"nbo": ours, **peers}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            wall = time.perf_counter()
            with Meter() as meter:
                work()
            if number:
                taken[name].append((time.perf_counter() - wall, meter.seconds))
    print(f"\n{title} (median of {rounds})")
    base = median(seconds for _, seconds in taken["nbo"])
    for name, times in taken.items():
        wall, seconds = median(t[0] for t in times), median(t[1] for t in times)
        print(f"  {name:<38} wall {wall:8.2f} s   cpu {seconds:8.2f} s   cpu of peer / nbo {seconds / base:7.2f}")
