"""The report's plots: small SVG pictures that stay sharp and readable at the width of a phone."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

OURS, BASELINE, OTHER, BAD, INK, FAINT = "#0f766e", "#94a3b8", "#cbd5e1", "#b91c1c", "#1e293b", "#e2e8f0"
STYLE: Any = {
    "svg.fonttype": "path",
    "svg.hashsalt": "nbo",  # else equal nights give different files
    "font.size": 11,
    "figure.constrained_layout.use": True,  # equal widths, so that letters are of equal size on the page
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#cbd5e1",
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "axes.axisbelow": True,
}
WIDTH = 4.8


def columns(pairs: Sequence[tuple[str, float]], label: str) -> str:
    """Draw a distribution as columns; ``pairs`` are names and counts."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, 2.7))
        axes.bar(range(len(pairs)), [value for _, value in pairs], color=OURS, width=0.82)
        axes.set_xticks(range(len(pairs)), [name for name, _ in pairs], rotation=40, ha="right", fontsize=9.5)
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.set_xlabel(label)
        axes.grid(axis="y", color=FAINT)
        axes.tick_params(length=0)
        return picture(figure, f"customers by {label}")


def bars(pairs: Sequence[tuple[str, float]], title: str, form: str = "{:,.0f}") -> str:
    """Draw horizontal bars with their values, the first on top."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, 0.55 + 0.34 * max(len(pairs), 1)))
        axes.barh([name for name, _ in pairs], [value for _, value in pairs], color=OURS, height=0.66)
        _values(axes, [value for _, value in pairs], form)
        axes.set_title(title, loc="left", fontsize=11)
        return picture(figure, f"{title}: " + ", ".join(f"{n} {form.format(v)}" for n, v in pairs))


def intervals(rows: Sequence[tuple[str, float, float, float]], title: str) -> str:
    """Draw differences to a baseline with their intervals: name, difference, low, high."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, 0.8 + 0.38 * max(len(rows), 1)))
        for place, (_, middle, low, high) in enumerate(rows):
            colour = OURS if low > 0 else BAD if high < 0 else BASELINE
            axes.plot([low, high], [place, place], color=colour, linewidth=2.4, solid_capstyle="round")
            axes.plot([middle], [place], "o", color=colour, markersize=6)
        axes.axvline(0, color=INK, linewidth=0.9)
        axes.set_yticks(range(len(rows)), [name for name, *_ in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.grid(axis="x", color=FAINT)
        axes.tick_params(length=0)
        axes.spines["left"].set_visible(False)
        axes.set_title(title, loc="left", fontsize=11)
        return picture(figure, f"{title}: " + ", ".join(f"{name} {middle:+.3f}" for name, middle, *_ in rows))


def groups(names: Sequence[str], series: Sequence[tuple[str, Sequence[float | None]]], title: str) -> str:
    """Draw groups of horizontal bars: per name one bar a series, the first series ours."""
    colours = (OURS, BASELINE, OTHER, BAD)
    height = 0.8 / max(len(series), 1)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, 0.9 + 0.28 * len(names) * max(len(series), 1)))
        for number, (label, values) in enumerate(series):
            places = [i + (number - (len(series) - 1) / 2) * height for i in range(len(names))]
            shown = [value or 0.0 for value in values]
            axes.barh(places, shown, height=height * 0.9, color=colours[number % len(colours)], label=label)
            for place, value in zip(places, values, strict=True):
                if value is not None:
                    axes.text(value, place, f" {value:.3f}", va="center", fontsize=9)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlim(0, max([v or 0 for _, values in series for v in values] or [1]) * 1.2 or 1)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(length=0)
        axes.set_title(title, loc="left", fontsize=11, pad=24)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, fontsize=9,
                    handlelength=1, columnspacing=1, borderaxespad=0.2)  # fmt: skip
        return picture(figure, title)


def precision_curves(curves: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Draw the share of customers that can be named against the precision of the list; nothing without a curve."""
    if not curves:
        return ""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, 3.2 + 0.17 * len(curves)))
        for number, (title, points) in enumerate(curves.items()):
            precision, share = zip(*points, strict=True)
            axes.plot(precision, share, marker="o", markersize=3, color=f"C{number}", label=title)
        share_axes(axes, "precision of the list")
        axes.set_ylim(0, 1.02)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize=8, borderaxespad=0.2)
        return picture(figure, "customers that can be named, by precision: " + ", ".join(curves))


def share_axes(axes: Axes, across: str) -> None:
    """Show both axes in percent; ``across`` names the horizontal one."""
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel(across)
    axes.grid(color=FAINT)
    axes.tick_params(length=0)


def _values(axes: Axes, values: Sequence[float], form: str) -> None:
    top = max(values, default=1) or 1
    for place, value in enumerate(values):
        axes.text(value + top * 0.015, place, form.format(value), va="center", fontsize=10)
    axes.set_xlim(0, top * 1.18)
    axes.invert_yaxis()
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0)


def picture(figure: Figure, text: str) -> str:
    """Return an ``img`` element that holds the figure."""
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    plt.close(figure)
    data = base64.b64encode(stream.getvalue()).decode()
    safe = text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return f'<img alt="{safe}" src="data:image/svg+xml;base64,{data}">'
