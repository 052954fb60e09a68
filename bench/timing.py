"""Measures a call in wall seconds and CPU seconds of this process and its children."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from statistics import median

import psutil


def cpu() -> float:
    """Return the CPU seconds used so far, the JVM's and Spark workers' included."""
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    return sum(time.user + time.system + time.children_user + time.children_system for time in times)


class Meter:
    """Counts the CPU seconds of a ``with`` block, in this process and all below it.

    Unlike the difference of two :func:`cpu`, it keeps what was used by processes that end in between, as Spark's
    workers do once they have been idle for a minute: it looks every second.
    """

    def __enter__(self) -> Meter:
        """Start."""
        self._before, self._seen, self._stop = self._look(), {}, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        """Stop, and set ``seconds``."""
        self._stop.set()
        self._thread.join()
        self._seen |= self._look()
        self.seconds = sum(used - self._before.get(key, 0.0) for key, used in self._seen.items())

    def _watch(self) -> None:
        while not self._stop.wait(1):
            self._seen |= self._look()

    @staticmethod
    def _look() -> dict[tuple[int, float], float]:
        found = {}
        own = psutil.Process()
        for process in (own, *own.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                found[process.pid, process.create_time()] = times.user + times.system
        return found


def compare(title: str, ours: Callable[[], object], peers: dict[str, Callable[[], object]], rounds: int = 3) -> None:
    """Run ``ours`` and ``peers`` in turn, after one round that does not count, and print medians and ratios."""
    works = {"nbo": ours, **peers}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            wall, before = time.perf_counter(), cpu()
            work()
            if number:
                taken[name].append((time.perf_counter() - wall, cpu() - before))
    print(f"\n{title} (median of {rounds})")
    base = median(seconds for _, seconds in taken["nbo"])
    for name, times in taken.items():
        wall, seconds = median(t[0] for t in times), median(t[1] for t in times)
        print(f"  {name:<38} wall {wall:8.2f} s   cpu {seconds:8.2f} s   cpu of peer / nbo {seconds / base:7.2f}")
