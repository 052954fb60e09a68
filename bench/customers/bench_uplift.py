"""Uplift on two randomised tests: Hillstrom's e-mail for women against none, and Artea's coupon against none.

Four learners, and a shuffled control. Every figure is of customers the learner has not seen (five folds). Published for
Hillstrom: uplift@30 % of visits 0.066. With the treatment shuffled there is nothing to find, and the verdict has to say
so. Both data sets hold one arm besides the control; choosing among several is tested on made-up customers only.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd

from bench.inputs.data_folder import DATA
from bench.measures.treatments import best_treatment, groups, policy_value
from training.studies.uplift import LEARNERS, Judgement, judge, out_of_fold, overlap, t_learner

SEED = 1
WORTH, COST = 10.0, 0.4


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


def artea() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return inputs, treatment and whether the customer bought."""
    file = DATA / "uplift" / "artea" / "artea-a_b-experiment.csv"
    if not file.is_file():
        raise SystemExit(f"{file} is not there; set NBO_DATA")
    raw = pd.read_csv(file, encoding="utf-8-sig")
    x = pd.get_dummies(raw.drop(columns=["id", "trans_after", "revenue_after", "test_coupon"]), columns=["channel_acq"])
    return x.to_numpy(dtype=float), raw["test_coupon"].to_numpy(), (raw["trans_after"] > 0).to_numpy(dtype=int)


def show(name: str, judgement: Judgement, seconds: float) -> None:
    """Print a learner's line and its verdict."""
    parts = [
        f"{label} {i.value:.4f} ({i.low:.4f} to {i.high:.4f})"
        for label, i in (("uplift@30 %", judgement.uplift), ("over all", judgement.gain), ("Qini", judgement.qini))
    ]
    print(f"  {name:<22} {'   '.join(parts)}   cpu {seconds:.1f} s\n{'':25}{judgement.verdict}")


def bench(title: str, x: np.ndarray, treated: np.ndarray, outcome: np.ndarray, rounds: int) -> None:
    """Print the learners with the true and with the shuffled treatment, and what choosing by cost is worth."""
    arms = overlap(x, treated)
    print(
        f"\n{title}: {len(x):,} customers, {treated.mean():.1%} treated, {outcome.mean():.1%} with the outcome; "
        f"telling the arms apart: ROC AUC {arms.roc_auc:.3f}"
    )
    rng = np.random.default_rng(SEED)
    shuffled = np.random.default_rng(SEED).permutation(treated)
    show("random order", judge(rng.random(len(x)), treated, outcome, rounds=rounds), 0.0)
    for name_of_arm, arm in (("true treatment", treated), ("shuffled treatment", shuffled)):
        print(f" {name_of_arm}")
        for name, learner in LEARNERS.items():
            started = time.process_time()
            effect = out_of_fold(learner, x, arm, outcome, SEED)
            show(name, judge(effect, arm, outcome, rounds=rounds), time.process_time() - started)
    effect = out_of_fold(t_learner, x, treated, outcome, SEED)
    without = np.full(len(x), outcome[treated == 0].mean())
    print(f" when the outcome is worth {WORTH:g} and an offer costs {COST:g} (assumptions)")
    print(f"  {pd.Series(groups(effect, without, WORTH, COST)).value_counts().to_dict()}")
    given = np.where(treated == 1, "offer", "none")
    chosen = best_treatment({"offer": effect}, WORTH, {"offer": COST})
    for name, policy in (("nobody", "none"), ("everybody", "offer"), ("by effect and cost", chosen)):
        worth = policy_value(np.broadcast_to(policy, len(x)), given, outcome, WORTH, {"offer": COST})
        print(f"  {name:<20} {worth.value:.4f} ({worth.low:.4f} to {worth.high:.4f}) per customer")


def main() -> None:
    """Print both tests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="2,000 resamples instead of 200")
    rounds = 2000 if parser.parse_args().full else 200
    bench("Hillstrom, women's e-mail, visits", *hillstrom(), rounds=rounds)
    bench("Artea, coupon, purchases", *artea(), rounds=rounds)


if __name__ == "__main__":
    main()
