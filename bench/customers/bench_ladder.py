"""The candidates of propensities on labels they were not made for, next to LightGBM with early stopping; five folds.

Telco: 7,043 customers of a telephone company. The generated sets hold interactions that no linear model sees. Printed:
log loss, ROC AUC and calibration error of the held-out folds together, and the candidate that each fold chose.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import lightgbm
import numpy as np
import pandas as pd
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold

from bench.inputs.data_folder import DATA
from training.evaluation.metrics import calibration_error
from training.propensity.fit import PropensityConfig, fit
from training.propensity.inputs import LABEL

PEER = {"objective": "binary", "learning_rate": 0.05, "verbose": -1, "num_threads": 1, "seed": 1}
FOLDS, HELD_OUT, ROUNDS, PATIENCE = 5, 0.2, 3000, 50


def main() -> None:
    """Print one line a set and method."""
    for name, (inputs, truth) in sets():
        ours, peer, candidates = np.zeros(len(truth)), np.zeros(len(truth)), []
        rows = inputs.assign(**{LABEL: truth, "customer_id": [str(n) for n in range(len(truth))]})
        started = time.perf_counter()
        for fold, (seen, asked) in enumerate(folds(truth)):
            held_out = np.random.default_rng(fold).random(len(seen)) < HELD_OUT
            train, validation = rows.iloc[seen[~held_out]], rows.iloc[seen[held_out]]
            fitted = fit("propensity_bench", train, validation, list(inputs.columns), PropensityConfig())
            candidates.append(fitted.params["candidate"])
            ours[asked] = fitted.model.predict(rows.iloc[asked])
            peer[asked] = boosted(train, validation, list(inputs.columns), inputs.iloc[asked])
        for method, probability in (("nbo", ours), ("LightGBM", peer)):
            figures = (log_loss(truth, probability), roc_auc_score(truth, probability))
            error = calibration_error(truth, probability, 10)
            print(
                f"{name:24} {method:9} log loss {figures[0]:.4f}  AUC {figures[1]:.4f}  calibration error {error:.4f}"
            )
        print(f"{'':24} kept {sorted(set(candidates))}, {time.perf_counter() - started:.0f} s for both")


def sets() -> Iterator[tuple[str, tuple[pd.DataFrame, np.ndarray]]]:
    """Yield names, inputs and labels."""
    file = DATA / "churn" / "telco.csv.gz"
    if file.exists():
        table = pd.read_csv(file)
        truth = table.pop("Churn").eq("Yes").to_numpy()
        table["TotalCharges"] = pd.to_numeric(table["TotalCharges"], errors="coerce")
        yield "telco", (pd.get_dummies(table.drop(columns="customerID"), dtype=float), truth)
    for seed, size in ((1, 10_000), (2, 3_000)):
        x, y = make_classification(
            size, 12, n_informative=8, n_redundant=2, n_clusters_per_class=4, weights=[0.85], flip_y=0.02,
            class_sep=0.9, random_state=seed,
        )  # fmt: skip
        yield f"interactions, {size:,} rows", (pd.DataFrame(x).add_prefix("x"), y.astype(bool))


def folds(truth: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the rows that a fold may learn from, and those that it is asked about."""
    return StratifiedKFold(FOLDS, shuffle=True, random_state=7).split(np.zeros(len(truth)), truth)


def boosted(train: pd.DataFrame, validation: pd.DataFrame, inputs: list[str], asked: pd.DataFrame) -> np.ndarray:
    """Return what LightGBM with early stopping predicts."""
    first, second = (
        lightgbm.Dataset(frame[inputs].to_numpy(dtype=float), frame[LABEL].to_numpy(dtype=float))
        for frame in (train, validation)
    )
    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    model = lightgbm.train(PEER, first, ROUNDS, valid_sets=[second], callbacks=[stop])
    return np.asarray(model.predict(asked.to_numpy(dtype=float)))


if __name__ == "__main__":
    main()
