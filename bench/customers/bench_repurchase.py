"""When a product type is bought again: probabilities of the repurchase model against the customer's own frequency.

The Complete Journey: intervals are fitted up to a day, and every product type that a customer has bought by then is
judged on whether they buy it in the 28 days after. Three days; what weighs several of them is fitted on a day before.
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from bench.inputs.complete_journey import Journey, day_of, journey
from bench.measures.splits import last_window
from bench.peers.repurchase import due
from features.items.repurchase import DURABLE_BELOW, LEAST_BUYERS
from features.items.repurchase_fit import EDGES, RepurchasePrior, bins_of, fit, learnt_under, under

#: repeats under which a product says little of itself
FEW = 10
HORIZON, CHOSEN_ON, REPORTED = 28, "2017-09-10", ("2017-10-08", "2017-11-05", "2017-12-03")


def counts(user: np.ndarray, item: np.ndarray, day: np.ndarray, as_of: int, items: int) -> tuple[np.ndarray, ...]:
    """Return gaps and open ends by item and day bin, and of each pair: user, item, days since, purchases, span."""
    cells = np.unique(np.stack([user, item, -day]), axis=1)
    user, item, day = cells[0], cells[1], -cells[2]
    first = np.concatenate([[True], (user[1:] != user[:-1]) | (item[1:] != item[:-1])])
    counts = np.zeros((2, items, len(EDGES) - 1))
    gap = -np.diff(day, prepend=0)
    np.add.at(counts, (0, item[~first], bins_of(gap[~first])), 1)
    age = as_of - day[first]
    np.add.at(counts, (1, item[first], bins_of(np.maximum(age, 1))), 1)
    start = np.flatnonzero(first)
    size = np.diff(np.append(start, len(day)))
    span = day[start] - day[start + size - 1]
    return counts[0], counts[1], user[first], item[first], age, size, span


def probabilities(data: Journey, text: str) -> tuple[dict[str, np.ndarray], np.ndarray, int]:
    """Return what each method says of every pair, what happened, and how many types are durable."""
    as_of = day_of(text)
    _, truth = last_window(data.user, data.item, data.day, data.basket, as_of, HORIZON, data.shape)
    past = data.day <= as_of
    lines = (data.user[past], data.item[past], data.day[past])
    gaps, still, user, item, age, size, span = counts(*lines, as_of, data.shape[1])
    model = fit(gaps, still)
    # the customer's own interval leans on the type's: each own gap counts as one, the type's as two
    own = np.log(np.maximum(span, 1) / np.maximum(size - 1, 1))
    mu = np.where(size > 1, ((size - 1) * own + 2 * model.mu[item]) / (size + 1), model.mu[item])
    repeat, sigma = model.repeat[item], model.sigma[item]
    durable = (model.within(365)[2] < DURABLE_BELOW) & (still.sum(axis=1) >= LEAST_BUYERS)
    methods = {
        "own frequency": 1 - np.exp(-size * HORIZON / (as_of - lines[2].min() + 1)),
        "type's interval": due(repeat, model.mu[item], sigma, age, HORIZON),
        "own interval, leaning on the type's": due(repeat, mu, sigma, age, HORIZON),
    }
    taken = np.asarray(truth[user, item]).ravel() > 0
    return {name: np.clip(value, 1e-4, 1 - 1e-4) for name, value in methods.items()}, taken, int(durable.sum())


def print_products(text: str, least: int) -> None:
    """Print what a product's interval says under that of its type, as a cluster's does, against either alone."""
    data = journey(products=True)
    as_of = day_of(text)
    buyers = np.unique(data.item[data.day <= as_of].astype(np.int64) * data.shape[0] + data.user[data.day <= as_of])
    eligible = np.bincount(buyers // data.shape[0], minlength=data.shape[1]) >= least
    number = np.cumsum(eligible) - 1
    kept = eligible[data.item] & (data.day <= as_of)
    lines = data.user[kept], number[data.item[kept]], data.day[kept]
    gaps, still, user, item, age, size, _ = counts(*lines, as_of, int(eligible.sum()))
    kind = np.unique(data.groups["type"], return_inverse=True)[1]
    past = data.day <= as_of
    types = fit(*counts(data.user[past], kind[data.item[past]], data.day[past], as_of, int(kind.max()) + 1)[:2])
    of = kind[eligible]
    parents = RepurchasePrior(types.repeat[of], 4.0, types.mu[of], types.sigma[of], 4.0)
    learnt = learnt_under(parents, gaps, still)
    fits = {"its type's interval": parents, "its own, leaning on all products": fit(gaps, still),
            "its own, leaning on its type": fit(gaps, still, under(parents, learnt))}  # fmt: skip
    _, truth = last_window(data.user, data.item, data.day, data.basket, as_of, HORIZON, data.shape)
    taken = np.asarray(truth[user, np.flatnonzero(eligible)[item]]).ravel() > 0
    odds, days, *weights = learnt
    print(f"\n{text}: {len(taken):,} pairs of customer and product, {taken.mean():.3f} bought again; a product comes "
          f"{np.exp(days):.2f} x as late as its type, odds of a repeat x {np.exp(odds):.2f}; the type counts as "
          f"{weights[0]:.1f} purchases and {weights[1]:.1f} gaps")  # fmt: skip
    few = gaps.sum(axis=1)[item] < FEW
    methods = {name: due(f.repeat[item], f.mu[item], f.sigma[item], age, HORIZON) for name, f in fits.items()}
    methods["own frequency"] = 1 - np.exp(-size * HORIZON / (as_of - lines[2].min() + 1))
    for name, value in methods.items():
        value = np.clip(value, 1e-4, 1 - 1e-4)
        parts = ((taken, value), (taken[few], value[few]))
        figures = "  ".join(f"log loss {log_loss(*part):.4f} ROC AUC {roc_auc_score(*part):.4f}" for part in parts)
        print(f"  {name:<38} {figures} (right: products with fewer than {FEW} repeats)", flush=True)


def logits(methods: dict[str, np.ndarray], *names: str) -> np.ndarray:
    """Return the log-odds of some methods, a column each."""
    return np.column_stack([np.log(methods[name] / (1 - methods[name])) for name in names])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, metavar="N", help="products of at least N buyers, under their types")
    given = parser.parse_args()
    if given.products:
        for text in REPORTED[-1:]:
            print_products(text, given.products)
        return
    data = journey(products=False)
    mixed = {
        "own frequency, weighed": ("own frequency",),
        "own frequency and intervals, weighed": (
            "own frequency",
            "type's interval",
            "own interval, leaning on the type's",
        ),
    }
    methods, taken, _ = probabilities(data, CHOSEN_ON)
    weights = {name: LogisticRegression().fit(logits(methods, *inputs), taken) for name, inputs in mixed.items()}
    for text in REPORTED:
        methods, taken, durable = probabilities(data, text)
        for name, inputs in mixed.items():
            methods[name] = weights[name].predict_proba(logits(methods, *inputs))[:, 1]
        print(f"\n{text}: {len(taken):,} pairs of customer and product type, {taken.mean():.3f} bought again in "
              f"{HORIZON} days; {durable} of {data.shape[1]:,} types durable")  # fmt: skip
        for name, value in {"share of all": np.full(len(taken), taken.mean()), **methods}.items():
            print(f"  {name:<38} log loss {log_loss(taken, value):.4f}  ROC AUC {roc_auc_score(taken, value):.4f}  "
                  f"mean {value.mean():.3f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
