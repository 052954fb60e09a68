"""Fits the coefficients of matching on labelled sets, and shows each family of sets with those fitted on the others.

``--write`` writes features/matching/coefficients.py, fitted on all sets; else only the figures are printed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from bench.inputs.data_folder import DATA
from bench.inputs.matching_sets import LabelledSet, made_sets, real_sets
from features.matching import chances
from features.matching.comparison import compare
from features.matching.evidence import FEATURES
from features.matching.records import prepare
from features.matching.two_sources import assigned

#: pairs of a set that are learnt from, what a made set counts beside a real one, strength of the ridge penalty
MOST, MADE, PENALTY = 4000, 0.4, 0.05
#: evidence that two records are not one; all other is for it
AGAINST = {
    "word_apart", "words_apart", "code_apart", "number_apart", "number_lacking", "model_apart", "disagreement",
    "identifier_apart", "identifiers_refuse",
}  # fmt: skip
OUT = Path(chances.__file__).parent / "coefficients.py"


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the coefficients fitted on all sets")
    given = parser.parse_args()
    sets = [compared(given) for given in [*real_sets(DATA, parts=True), *made_sets((600,), (0, 0.02, 0.3), 7)]]
    chances.LIMITS = limits(sets)
    families = sorted({given["family"] for given in sets})
    for family in families:
        evidence = fitted_evidence([given for given in sets if given["family"] != family])
        for one in sets:
            if one["family"] == family:
                one["odds"] = chances.terms(one["evidence"]) @ evidence[1:] + evidence[0]
    two = [given for given in sets if given["split"] is not None]
    for one in two:
        add_rivals(one)
    print(
        f"{'set, its family left out of the fit':<44} {'pairs':>6} {'claimed':>7} {'F1':>6} {'best F1':>8} {'ECE':>6}"
    )
    for family in families:
        rest = [given for given in two if given["family"] != family]
        of_assigned = fitted_assigned(rest)
        for one in sets:
            if one["family"] == family:
                show(one, of_assigned)
    if given.write:
        evidence = fitted_evidence(sets)
        for one in two:
            one["odds"] = chances.terms(one["evidence"]) @ evidence[1:] + evidence[0]
            add_rivals(one)
        write(chances.LIMITS, evidence, fitted_assigned(two))


def compared(given: LabelledSet) -> dict[str, Any]:
    """Compare a set's candidate pairs; keep what the fit needs."""
    near = compare(prepare(given.table, given.split))
    pairs = near.candidates.pairs
    return {
        "name": given.name, "family": given.family, "split": given.split, "pairs": pairs, "total": len(given.gold),
        "evidence": near.evidence, "truth": given.truth(pairs), "n": len(given.table),
        "own": near.odds if near.by_columns else None,
    }  # fmt: skip


def limits(sets: list[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    """Return between which values each kind of evidence lay in all but a thousandth of the pairs at either end."""
    every = np.concatenate([given["evidence"][:20_000] for given in sets])
    low, high = np.quantile(every, 0.001, axis=0), np.quantile(every, 0.999, axis=0)
    return {name: (round(float(a), 4), round(float(b), 4)) for name, a, b in zip(FEATURES, low, high, strict=True)}


def fitted_evidence(sets: list[dict[str, Any]]) -> np.ndarray:
    """Return the intercept and coefficients of :func:`features.matching.chances.terms`."""
    rng, x, y, weights = np.random.default_rng(1), [], [], []
    for given in sets:
        rows = rng.permutation(len(given["truth"]))[: MOST if given["family"] != "made" else MOST // 2]
        x.append(chances.terms(given["evidence"][rows]))
        y.append(given["truth"][rows])
        weights.append(np.full(len(rows), len(rows) ** -0.5 * (MADE if given["family"] == "made" else 1)))
    return monotone(np.concatenate(x), np.concatenate(y), np.concatenate(weights))


def fitted_assigned(sets: list[dict[str, Any]]) -> np.ndarray:
    """Return the intercept and coefficients of :func:`features.matching.chances.against_rivals`."""
    x = np.concatenate([given["rivals"] for given in sets])
    y = np.concatenate([given["assigned"] for given in sets])
    weights = np.concatenate(
        [
            np.full(len(given["assigned"]), len(given["assigned"]) ** -0.5 * (MADE if given["family"] == "made" else 1))
            for given in sets
        ]
    )
    return ridge(x, y, weights, 1.0)


def monotone(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Fit logistic regression in which no evidence turns against what it is evidence for, however strong it is.

    So a table whose evidence is stronger than that of any set of the fit is not misjudged. Else as :func:`ridge`.
    """
    middle, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    z, signs, weights = (x - middle) / spread, np.where(y, 1.0, -1.0), weights / weights.mean()
    against = [name in AGAINST for name in FEATURES]
    bounds = [(None, None), *[(None, 0) if down else (0, None) for down in against]]
    bounds += [(0, 0) if name == "above_density" else bound for name, bound in zip(FEATURES, bounds[1:], strict=True)]
    bounds += [(0, None)] * len(chances.PRODUCTS)

    def loss(slopes: np.ndarray) -> tuple[float, np.ndarray]:
        margin = signs * (z @ slopes[1:] + slopes[0])
        pull = -signs * expit(-margin) * weights
        value = (np.logaddexp(0, -margin) * weights).sum() + (slopes[1:] ** 2).sum() / (2 * PENALTY)
        return value, np.concatenate([[pull.sum()], z.T @ pull + slopes[1:] / PENALTY])

    fitted = minimize(loss, np.zeros(z.shape[1] + 1), jac=True, bounds=bounds, method="L-BFGS-B").x
    slopes = fitted[1:] / spread
    return np.concatenate([[fitted[0] - slopes @ middle], slopes])


def ridge(x: np.ndarray, y: np.ndarray, weights: np.ndarray, strength: float) -> np.ndarray:
    """Fit logistic regression on standardised columns; return intercept and slopes of the columns as they are."""
    middle, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    model = LogisticRegression(C=strength, max_iter=1000)
    model.fit((x - middle) / spread, y, sample_weight=weights / weights.mean())
    slopes = model.coef_[0] / spread
    return np.concatenate([[model.intercept_[0] - slopes @ middle], slopes])


def add_rivals(given: dict[str, Any]) -> None:
    """Add to a set of two tables its assigned pairs, their rivals and their truth."""
    pairs = given["pairs"] - np.array([0, given["split"]])
    chosen = assigned(pairs, given["odds"], given["split"], given["n"] - given["split"])
    given["rivals"] = chances.against_rivals(pairs, given["odds"])[chosen]
    given["assigned"] = given["truth"][chosen]


def show(given: dict[str, Any], of_assigned: np.ndarray) -> None:
    """Print a set's pairs by the fit on other families: F1, the best F1 of any threshold, calibration error."""
    if given["split"] is None:
        odds, truth, share = given["odds"], given["truth"], chances.SHARE_OF_CANDIDATES
    else:
        odds, truth = given["rivals"] @ of_assigned[1:] + of_assigned[0], given["assigned"]
        share = chances.SHARE_OF_ASSIGNED
    sure, threshold = chances.settled(odds, share)
    kept, total = sure >= threshold, given["total"]
    order = np.argsort(-odds)
    best = (2 * np.cumsum(truth[order]) / (np.arange(1, len(truth) + 1) + total)).max(initial=0)
    f1 = 2 * (truth & kept).sum() / max(kept.sum() + total, 1)
    print(
        f"{given['name']:<44} {total:>6} {kept.sum():>7} {f1:>6.3f} {best:>8.3f} "
        f"{error(truth[kept], sure[kept]):>6.3f}",
        flush=True,
    )


def error(truth: np.ndarray, chance: np.ndarray) -> float:
    """Return the expected calibration error over ten equal bins."""
    bins = np.minimum((chance * 10).astype(int), 9)
    return float(sum(abs(truth[bins == b].sum() - chance[bins == b].sum()) for b in range(10)) / max(len(truth), 1))


def write(held: dict[str, tuple[float, float]], evidence: np.ndarray, of_assigned: np.ndarray) -> None:
    """Write the module of coefficients."""
    rows = "".join(f"    {name!r}: {value!r},\n" for name, value in held.items())
    OUT.write_text(
        '"""Coefficients of the chances of pairs; written by ``fit_matching.py --write``, not by hand."""\n\n'
        "#: between which values each kind of evidence is taken as it is; beyond them as the nearest of them\n"
        f"LIMITS: dict[str, tuple[float, float]] = {{\n{rows}}}\n"
        "#: intercept, then one coefficient for each of :func:`features.matching.chances.terms`\n"
        f"EVIDENCE: tuple[float, ...] = {tuple(round(float(v), 5) for v in evidence)}\n"
        "#: intercept, then one for each column of :func:`features.matching.chances.against_rivals`\n"
        f"ASSIGNED: tuple[float, ...] = {tuple(round(float(v), 5) for v in of_assigned)}\n"
    )


if __name__ == "__main__":
    main()
