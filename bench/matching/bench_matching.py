"""Matching on all labelled sets and on made ones, by default columns and settings: P, R, F1, ECE, seconds.

The coefficients were fitted on these sets; bench/matching/fit_matching.py shows each set with those fitted without its
family.
``--splink PYTHON`` names an interpreter that has Splink, which then runs in the same call on the tables of persons.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from bench.inputs.data_folder import DATA
from bench.inputs.matching_sets import LabelledSet, made, made_two, real_sets
from features.matching.one_source import group
from features.matching.two_sources import match

PEER = Path(__file__).parents[1] / "peers" / "splink_persons.py"
SHARES = (0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="*", help="only these labelled sets")
    parser.add_argument("--splink", metavar="PYTHON", help="an interpreter that has Splink")
    parser.add_argument("--sizes", type=int, nargs="*", default=[200, 1000], help="records of the made sets")
    parser.add_argument("--kinds", nargs="*", default=["persons", "people", "titles"], help="kinds of made sets")
    given = parser.parse_args()
    print(f"{'set':<22} {'records':>15} {'F1':>6} {'P':>6} {'R':>6} {'ECE':>6} {'cpu s':>7} {'Splink':>7} {'cpu s':>7}")
    for real_set in real_sets(DATA):
        if given.sets is None or real_set.name in given.sets:
            labelled(real_set, given.splink)
    if given.sizes:
        print(f"\n{'made, with seeds of its own':<44} {'true':>7} {'claimed':>7} {'right':>7} {'wrong, .95':>13}")
    for kind in given.kinds:
        for size in given.sizes:
            for share in SHARES:
                sweep(made(kind, size, round(size * share), 1000 + size))
            for share in (0.0, 0.01, 0.1, 0.5, 1.0):
                sweep(made_two(kind, size, round(size * share), 2000 + size))
            sweep(made_two(kind, size, round(size * 0.5), 3000 + size, times=2))


def claimed(given: LabelledSet) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs that matching claims (m, 2), and the confidence of each."""
    table = given.table
    if given.split is not None:
        left, right = table.iloc[: given.split], table.iloc[given.split :]
        matches = match(left.reset_index(drop=True), right.reset_index(drop=True))
        return np.stack([matches.left, matches.right + given.split], axis=1), matches.confidence
    groups = group(table)
    return pairs_of(groups.centres, groups.confidence)


def pairs_of(clusters: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return all pairs within clusters, and the lesser confidence of each pair's two records."""
    rows = pd.DataFrame({"cluster": clusters, "row": np.arange(len(clusters))})
    both = rows.merge(rows, on="cluster")
    pairs = both.loc[both["row_x"] < both["row_y"], ["row_x", "row_y"]].to_numpy()
    return pairs, np.minimum(confidence[pairs[:, 0]], confidence[pairs[:, 1]])


def labelled(given: LabelledSet, splink: str | None) -> None:
    """Print the line of a labelled set."""
    start = time.process_time()
    pairs, confidence = claimed(given)
    seconds = time.process_time() - start
    right = given.truth(pairs)
    f1, precision, recall = quality(right, len(given.gold))
    size = f"{len(given.table):,}" if given.split is None else f"{given.split:,} x {len(given.table) - given.split:,}"
    figures = f"{f1:>6.3f} {precision:>6.3f} {recall:>6.3f} {error(right, confidence):>6.3f} {seconds:>7.1f}"
    line = f"{given.name:<22} {size:>15} {figures}"
    if splink and given.family in ("fake", "febrl"):
        with tempfile.NamedTemporaryFile(suffix=".csv") as file:
            given.table.to_csv(file.name, index=False)
            shown = subprocess.run(
                [splink, str(PEER), given.family, file.name], capture_output=True, text=True, check=True
            )
        peer = json.loads(shown.stdout.splitlines()[-1])
        theirs, _ = pairs_of(np.array(peer["clusters"]), np.ones(len(given.table)))
        line += f" {quality(given.truth(theirs), len(given.gold))[0]:>7.3f} {peer['cpu']:>7.1f}"
    print(line, flush=True)


def sweep(given: LabelledSet) -> None:
    """Print the line of a made set."""
    pairs, confidence = claimed(given)
    right = given.truth(pairs)
    sure = (~right & (confidence >= 0.95)).sum()
    print(
        f"{given.name:<44} {len(given.gold):>7} {len(pairs):>7} {right.sum():>7} {sure:>13}",
        flush=True,
    )


def quality(right: np.ndarray, total: int) -> tuple[float, float, float]:
    """Return F1, precision and recall of claimed pairs."""
    precision, recall = right.sum() / max(len(right), 1), right.sum() / max(total, 1)
    return 2 * precision * recall / max(precision + recall, 1e-9), precision, recall


def error(right: np.ndarray, confidence: np.ndarray) -> float:
    """Return the expected calibration error of claimed pairs over ten equal bins."""
    bins = np.minimum((confidence * 10).astype(int), 9)
    return float(sum(abs(right[bins == b].sum() - confidence[bins == b].sum()) for b in range(10)) / max(len(right), 1))


if __name__ == "__main__":
    main()
