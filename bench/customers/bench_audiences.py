"""Methods of segmentation compared, and look-alikes against a ranking by spend.

Reads the newest scored night of the installation's lake (NBO_HOME): run a night on all data first.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from bench.segmentation.methods import MethodsConfig, compare
from bench.segmentation.points import axes, traits
from conf.settings.load import load
from conf.settings.schema import Settings
from jobs.lake.lake import Lake
from jobs.score.score_segments import wide_features
from jobs.stages import Stage
from scoring.segments.audiences import picked
from training.segments.look_alike import LookAlikeConfig, comparable, curve, similarity

#: inverse penalties that are tried besides the one that serves
STRENGTHS = (1e-4, 1e-3)


def methods(lake: Lake, settings: Settings) -> None:
    """Print the verdicts on the traits and on the wide features."""
    day, config = lake.days(Stage.SCORE)[-1], MethodsConfig(seed=settings.models.seed)
    for space, points in (("traits", traits(lake, day)), ("wide features", axes(lake, day, config.seed))):
        print(f"\n{space}: {len(points):,} customers x {points.shape[1]}, judged on {config.sample:,}")
        for one in compare(points, config):
            soft = "" if one.softness is None else f"   own probability {one.softness:.2f}"
            standing = "   CHOSEN" if one.chosen else "" if one.eligible else "   out of bounds"
            print(
                f"  {one.method:<24} {one.k} segments   silhouette {one.silhouette:6.3f}"
                f"   stability {one.stability:.3f}   shares {one.smallest_share:.2f} to {one.largest_share:.2f}"
                f"   noise {one.left_out:.2f}{soft}{standing}"
            )


def look_alikes(lake: Lake, settings: Settings) -> None:
    """Print how well hidden members of each seed are recovered."""
    day = lake.days(Stage.SCORE)[-1]
    scores = lake.dataset("scores/customer_scores", day)
    table = scores.to_table(columns=["customer_id", "spend_365"]).sort_by("customer_id")
    keys = np.array(table["customer_id"].to_pylist(), dtype=object)
    spend = np.nan_to_num(table["spend_365"].to_numpy())
    wide = comparable(wide_features(lake, day, keys)[0])
    for one in settings.segments.look_alikes:
        is_seed, eligible = np.zeros(len(keys), dtype=bool), np.zeros(len(keys), dtype=bool)
        is_seed[picked(one, one.seed, scores, keys)] = True
        eligible[picked(one, one.known, scores, keys)] = True
        print(
            f"\n{one.slug}: {(eligible & is_seed).sum()} of {eligible.sum():,} customers are of the seed; "
            f"{wide.shape[1]:,} features"
        )
        base = LookAlikeConfig(seed=settings.models.seed)
        ranked = {f"strength {s:g}": similarity(wide, is_seed, eligible, replace(base, strength=s)) for s in STRENGTHS}
        ranked = {"nbo": similarity(wide, is_seed, eligible, base), "by spend": spend} | ranked
        for name, value in ranked.items():
            truth, score = is_seed[eligible], value[eligible]
            line = "   ".join(
                f"{p.reach_share:.0%}: {p.recall:.3f} ({p.recall_low:.3f} to {p.recall_high:.3f}), "
                f"precision {p.precision:.3f}"
                for p in curve(value, is_seed, eligible)
                if p.reach_share in (0.05, 0.1, 0.2)
            )
            print(f"  {name:<16} ROC AUC {roc_auc_score(truth, score):.3f}   "
                  f"average precision {average_precision_score(truth, score):.3f}   recall at {line}")  # fmt: skip


def main() -> None:
    """Print both."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    settings = load()
    lake = Lake(settings.lake)
    look_alikes(lake, settings)
    methods(lake, settings)


if __name__ == "__main__":
    sys.exit(main())
