"""The report's plots of segments: a map, and how far look-alikes reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt

from jobs.report.plots import BAD, BASELINE, FAINT, INK, OURS, STYLE, WIDTH, picture, share_axes

_COLOURS = (OURS, "#b45309", "#6d28d9", BAD)


def bubbles(points: Sequence[tuple[str, float, float, float]], across: str, up: str) -> str:
    """Draw names at their places (x, y) with bubbles of their sizes; nothing where there is no point."""
    if not points:
        return ""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, 3.2))
        largest = max(size for *_, size in points)
        for name, x, y, size in points:
            axes.scatter([x], [y], s=900 * size / largest, color=OURS, alpha=0.35, linewidths=0)
            axes.annotate(name, (x, y), ha="center", va="center", fontsize=9, color=INK)
        axes.margins(0.3)
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        axes.grid(color=FAINT)
        axes.tick_params(length=0)
        return picture(figure, "segments: " + ", ".join(f"{name} at {x:.0f} {across}" for name, x, *_ in points))


def reach_curves(curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Draw recall against reach, a line per look-alike, against customers drawn at random; empty without a curve."""
    if not curves:
        return ""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, 3.0))
        axes.plot([0, 0.5], [0, 0.5], color=BASELINE, linestyle="--", label="at random")
        for number, (slug, points) in enumerate(curves.items()):
            colour = _COLOURS[number % len(_COLOURS)]
            reach = [0.0, *(point["reach_share"] for point in points)]
            axes.plot(reach, [0.0, *(point["recall"] for point in points)], color=colour, marker="o", markersize=3,
                      label=slug.replace("_", " "))  # fmt: skip
            low, high = ([0.0, *(point[f"recall_{end}"] for point in points)] for end in ("low", "high"))
            axes.fill_between(reach, low, high, color=colour, alpha=0.15, linewidth=0)
        share_axes(axes, "reach, best ranked first")
        axes.legend(loc="upper left", frameon=False, fontsize=9)
        return picture(figure, "hidden members of the seed found, by reach")
