"""Uplift on a randomised mailing (Hillstrom, women's e-mail against none): four learners, and a shuffled control.

Every figure is of customers the learner has not seen (five folds). Published: uplift@30 % of visits 0.066. With the
treatment shuffled there is nothing to find, and the verdict has to say so.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd
from timing import cpu

from training.uplift import LEARNERS, Judgement, best_treatment, groups, judge, out_of_fold, overlap, t_learner

DATA = Path(os.environ.get("NBO_DATA", Path(__file__).parents[2] / "shared" / "data"))
SEED = 1


def hillstrom() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return inputs, treatment and visits."""
    file = DATA / "uplift" / "hillstrom_womens.csv.gz"
    if not file.is_file():
        raise SystemExit(f"{file} is not there; set NBO_DATA")
    raw = pd.read_csv(file)
    segment = next((name for name in ("segment", "treatment") if name in raw.columns), None)
    if segment is None:
        raise SystemExit(f"no column of the treatment; have {list(raw.columns)}")
    given = raw[segment]
    treated = (given if given.dtype.kind in "iub" else given.str.contains("Women")).to_numpy().astype(int)
    outcome = raw["visit"].to_numpy().astype(int)
    x = raw.drop(columns=[c for c in (segment, "visit", "conversion", "spend") if c in raw.columns])
    return pd.get_dummies(x, dtype=float).to_numpy(), treated, outcome


def show(name: str, found: Judgement, seconds: float) -> None:
    """Print a learner's line and its verdict."""
    parts = [
        f"{label} {i.value:.4f} ({i.low:.4f} to {i.high:.4f})"
        for label, i in (("uplift@30 %", found.uplift), ("over all", found.gain), ("Qini", found.qini))
    ]
    print(f"  {name:<22} {'   '.join(parts)}   cpu {seconds:.1f} s\n{'':25}{found.verdict}")


def main() -> None:
    """Print the learners with the true and with the shuffled treatment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="2,000 resamples instead of 200")
    rounds = 2000 if parser.parse_args().full else 200
    x, treated, outcome = hillstrom()
    arms = overlap(x, treated)
    print(f"{len(x):,} customers, {treated.mean():.1%} mailed; telling the arms apart: ROC AUC {arms.roc_auc:.3f}")
    shuffled = np.random.default_rng(SEED).permutation(treated)
    rng = np.random.default_rng(SEED)
    show("random order", judge(rng.random(len(x)), treated, outcome, rounds=rounds), 0.0)
    for title, arm in (("true treatment", treated), ("shuffled treatment", shuffled)):
        print(f"\n{title}")
        for name, learner in LEARNERS.items():
            before = cpu()
            effect = out_of_fold(learner, x, arm, outcome, SEED)
            show(name, judge(effect, arm, outcome, rounds=rounds), cpu() - before)
    effect = out_of_fold(t_learner, x, treated, outcome, SEED)
    worth, cost = 10.0, 0.4
    print(f"\ngroups when a visit is worth {worth:g} and a mail costs {cost:g} (assumptions)")
    print(
        pd.Series(groups(effect, np.full(len(x), outcome[treated == 0].mean()), worth, cost)).value_counts().to_string()
    )
    print(
        "mailed when it has to pay:",
        f"{(best_treatment({'mail': effect}, worth, {'mail': cost}) == 'mail').mean():.1%}",
    )


if __name__ == "__main__":
    main()
