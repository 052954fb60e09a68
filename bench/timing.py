"""Measures a call in wall seconds, and in CPU seconds and memory of this process and all below it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from statistics import median

import psutil


class Meter:
    """Counts the CPU seconds of a ``with`` block, in this process and all below it.

    It looks every second, and so keeps what was used by processes that end in between, as Spark's workers do once
    they have been idle for a minute.
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


class Peak:
    """Watches the resident memory of a ``with`` block, in this process and all below it; ``gigabytes`` is the most."""

    def __enter__(self) -> Peak:
        """Start."""
        self.gigabytes, self._stop = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        """Stop."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        own = psutil.Process()
        while True:
            total = 0
            for process in (own, *own.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    total += process.memory_info().rss
            self.gigabytes = max(self.gigabytes, total / 1e9)
            if self._stop.wait(0.2):
                return


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
