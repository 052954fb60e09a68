"""What the night's rankers make of purchases, content and declared demographics; and AUC by department.

Reads the clean layer of one night (``NBO_HOME``), builds the night's own training sets with the night's own code, and
judges on the night's own gate window (the 28 days up to it). Each set of inputs trains both rankers as the night does:
one of all candidates, one of discoveries; paired intervals are over the night's inputs. The departments' figures hold
the calibrated chances of the offers, put together to the chance that a customer buys any of the department's types,
against what they bought. What each source of candidates brings, what the lists show, and who is cold is printed too.
``--cache`` keeps the sets between runs.

``--served`` prints instead how the lists do that both rankers serve together, against those of the ranker of all alone
and those of personal frequency; ``--back 1`` judges on the window before the night's, on which settings are chosen.
"""

from __future__ import annotations

import argparse
import logging
import pickle
import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from bench.inputs.night_windows import windows_of
from conf.settings.load import load
from conf.settings.schema import Settings
from conf.tables.runs import COLD, SHOWN
from jobs.lake.lake import Lake
from jobs.spark import session
from jobs.train.sets.training_sets import training_sets
from training.characteristics.examples import seen_of, truth_of
from training.evaluation.candidate_recall import source_recall
from training.evaluation.fitted import Evaluation
from training.evaluation.metrics import paired_bootstrap, split_truth
from training.evaluation.windows import Windows
from training.models.artifacts import Model
from training.rankers import discovery_ranker, offer_ranker
from training.rankers.inputs import RANKER_INPUTS, SOURCE_RANKS, SOURCES

DECLARED = ("age_band", "income_band", "household_size", "home_ownership", "marital_status", "kids_count")
NIGHT = "the night's inputs"
CONTENT = ("department_affinity",)
#: of the category of the product type: how much the customer buys of it
CATEGORY = ("category_types", "category_baskets_84", "category_share")
_BARE = tuple(name for name in RANKER_INPUTS if name not in CONTENT)
_NEW = tuple(name for name in RANKER_INPUTS if name not in discovery_ranker.LEFT_OUT)
#: of the product type, so that what is declared has something to rank
_TYPE = tuple(name for name in RANKER_INPUTS if name.startswith("type_"))
#: inputs of the ranker of all and of that of discoveries
VARIANTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    NIGHT: (RANKER_INPUTS, _NEW),
    "department's share where it is not": (_BARE, RANKER_INPUTS),
    "and the category's": ((*RANKER_INPUTS, *CATEGORY), (*_NEW, *CATEGORY)),
    "declared in place of purchases": ((*_TYPE, *DECLARED), (*_TYPE, *DECLARED)),
    "and what is declared": ((*RANKER_INPUTS, *DECLARED), (*_NEW, *DECLARED)),
}
Sets = dict[str, pd.DataFrame]


def built(settings: Settings, day: date, back: int = 0) -> Sets:
    """Return the pairs of ``train``, ``validation`` and ``gate`` with all inputs; its ``customers`` and ``items``."""
    lake, models = Lake(settings.lake), settings.models
    windows = windows_of(settings, lake, day)
    for _ in range(back):
        windows = Windows(windows.validation, windows.training[0], windows.training[1:], windows.earliest)
    products = lake.arrow("clean/products", day).to_pandas()
    clean = lake.arrow("clean/customers", day).to_pandas()
    spark = session(settings, "bench")
    with training_sets(settings, lake, spark, day, windows, {"pairs", "customers"}) as sets:
        days = {
            "train": windows.training[: models.ranker_windows],
            "validation": windows.validation,
            "gate": windows.gate,
        }
        customers = {name: sets.read("customers", day_of) for name, day_of in days.items()}
        pairs = {name: sets.read("pairs", day_of) for name, day_of in days.items()}
        items = sets.read("items", windows.gate).rename(columns={"product_type": "item"})
    spark.stop()
    made = {name: with_inputs(pairs[name], customers[name], clean, products) for name in days}
    return {**made, "customers": customers["gate"], "items": items}


def with_inputs(pairs: pd.DataFrame, customers: pd.DataFrame, clean: pd.DataFrame, products: pd.DataFrame) -> Sets:
    """Add the category's inputs, what is declared, and the department of the type."""
    often = products[["product_type", "department", "category"]].value_counts().reset_index()
    groups = often.drop_duplicates("product_type").set_index("product_type")[["department", "category"]]
    own = customers[["customer_id", "as_of", "types", "type_baskets_84", "type_baskets_total"]].dropna()
    own = own.explode(["types", "type_baskets_84", "type_baskets_total"]).rename(columns={"types": "product_type"})
    own = own.assign(category=own["product_type"].map(groups["category"]))
    sums = own.groupby(["customer_id", "as_of", "category"]).agg(
        category_types=("product_type", "size"),
        category_baskets_84=("type_baskets_84", "sum"),
        category_share=("type_baskets_total", "sum"),
    )
    total = own.groupby(["customer_id", "as_of"])["type_baskets_total"].sum()
    sums["category_share"] = sums["category_share"] / total.reindex(sums.index.droplevel("category")).to_numpy()
    rows = pairs.join(groups, on="product_type").join(sums.astype("float64"), on=["customer_id", "as_of", "category"])
    return rows.join(declared(clean).set_index("customer_id"), on="customer_id")


def declared(clean: pd.DataFrame) -> pd.DataFrame:
    """Return the declared fields as numbers in the order of their values, NaN where nothing is declared."""
    more = pd.DataFrame([dict(pairs) for pairs in clean["attributes"]], index=clean.index)
    records = pd.concat([clean[["customer_id"]], clean[["age_band", "income_band", "household_size"]], more], axis=1)
    codes = {}
    for name in DECLARED:
        values = records[name]
        order = sorted(values.dropna().unique(), key=lambda text: (int("".join(c for c in text.split("-")[0] if
                       c.isdigit()) or 0), "under" not in text.lower(), text))  # fmt: skip
        codes[name] = values.map({value: number for number, value in enumerate(order)}).astype("float64")
    return records[["customer_id"]].assign(**codes)


def ranked(sets: Sets, inputs: tuple[str, ...], new_inputs: tuple[str, ...]) -> tuple[Model, dict[str, Evaluation]]:
    """Train both rankers and judge them as the gate does: ``all`` by the first, ``new`` by that of discoveries."""
    customers = sets["customers"][sets["customers"]["customer_id"].isin(sets["gate"]["customer_id"])]
    truth, seen = truth_of(customers), seen_of(customers)
    rows = {name: offer_ranker.rows(sets[name]) for name in ("train", "validation", "gate")}
    fitted = offer_ranker.fit(rows["train"], rows["validation"], inputs, offer_ranker.OfferRankerConfig())
    fresh = {name: discovery_ranker.rows(sets[name]) for name in rows}
    new = discovery_ranker.fit(fresh["train"], fresh["validation"], new_inputs, discovery_ranker.DiscoveryConfig())
    return fitted.model, {
        "all": offer_ranker.judge(fitted.model, rows["gate"], truth, seen, sets["items"]),
        "new": discovery_ranker.judge(new.model, fresh["gate"], split_truth(truth, seen)[1], seen, sets["items"]),
    }


def served(sets: Sets) -> dict[str, Evaluation]:
    """Return lists of all by the ranker, by the one that is served with that of discoveries, and so of frequency."""
    customers = sets["customers"][sets["customers"]["customer_id"].isin(sets["gate"]["customer_id"])]
    truth, seen = truth_of(customers), seen_of(customers)
    rows = {name: offer_ranker.rows(sets[name]) for name in ("train", "validation", "gate")}
    fresh = {name: discovery_ranker.rows(sets[name]) for name in rows}
    ranker = offer_ranker.fit(rows["train"], rows["validation"], RANKER_INPUTS, offer_ranker.OfferRankerConfig()).model
    new = discovery_ranker.fit(fresh["train"], fresh["validation"], _NEW, discovery_ranker.DiscoveryConfig()).model
    models = {"ranker": ranker, "personal frequency": offer_ranker.baselines(rows["train"])[0].model}
    return {
        f"{name}{' + discovery ranker' if extra else ''}": offer_ranker.judge(
            model, rows["gate"], truth, seen, companion=extra
        )
        for name, model in models.items()
        for extra in (new, None)
    }


def print_served(judged: dict[str, Evaluation]) -> None:
    """Print HitRate, NDCG and calibration of each, and NDCG of the first, which is served, over the others."""
    first = next(iter(judged.values()))
    for name, evaluations in judged.items():
        figures = "  ".join(
            f"{key} {evaluations.metrics[key]:.4f}" for key in ("hit_rate_at_5", "ndcg_at_5", "log_loss", "ece")
        )
        over = paired_bootstrap(first.by_customer, evaluations.by_customer, 1000, 1)
        gain = "" if evaluations is first else f"  NDCG over it {over.value:+.4f} [{over.low:+.4f}, {over.high:+.4f}]"
        print(f"  {name:<38} {figures}{gain}", flush=True)


def baselines(sets: Sets) -> dict[str, dict[str, Evaluation]]:
    """Judge the baselines of the gate."""
    customers = sets["customers"][sets["customers"]["customer_id"].isin(sets["gate"]["customer_id"])]
    truth, seen = truth_of(customers), seen_of(customers)
    train, gate = (offer_ranker.rows(sets[name]) for name in ("train", "gate"))
    fresh, held = (discovery_ranker.rows(sets[name]) for name in ("train", "gate"))
    evaluations: dict[str, dict[str, Evaluation]] = {}
    for baseline in offer_ranker.baselines(train):
        judged = offer_ranker.judge(baseline.model, gate, truth, seen, sets["items"])
        evaluations.setdefault(baseline.model.meta.family, {})["all"] = judged
    for baseline in discovery_ranker.baselines(fresh):
        judged = discovery_ranker.judge(baseline.model, held, split_truth(truth, seen)[1], seen, sets["items"])
        evaluations.setdefault(baseline.model.meta.family, {})["new"] = judged
    return evaluations


def report(judged: dict[str, dict[str, Evaluation]]) -> None:
    """Print HitRate and NDCG, and NDCG over the night's inputs."""
    for name, parts in judged.items():
        line = []
        for part, slices in (("all", ("all", "repeats")), ("new", ("discoveries",))):
            if part not in parts:
                continue
            for list_name in slices:
                values = parts[part].slices[list_name]
                line.append(f"{list_name} {values['hit_rate'].mean():.4f} {values['ndcg'].mean():.4f}")
            if name != NIGHT and part in judged[NIGHT]:
                over = paired_bootstrap(parts[part].by_customer, judged[NIGHT][part].by_customer, 1000, 1)
                line.append(f"NDCG over the night's {over.value:+.4f} [{over.low:+.4f}, {over.high:+.4f}]")
        print(f"  {name:<36} " + "  ".join(line), flush=True)


def sources(sets: Sets) -> pd.DataFrame:
    """Return what each source of candidates brings to the gate."""
    customers = sets["customers"][sets["customers"]["customer_id"].isin(sets["gate"]["customer_id"])]
    ranks = dict(zip(SOURCES, SOURCE_RANKS, strict=True))
    recall = source_recall(offer_ranker.rows(sets["gate"]), truth_of(customers), seen_of(customers), ranks)
    return recall.pivot_table(index=["source", "candidates"], columns="slice", values="recall", sort=False)


def shown(judged: dict[str, dict[str, Evaluation]]) -> pd.DataFrame:
    """Return what lists show, and calibration, by inputs or baseline: of all, and of discoveries."""
    figures = {
        (part, name): {figure: parts[part].metrics[figure] for figure in (*SHOWN, "ece")}
        for part in ("all", "new")
        for name, parts in judged.items()
        if part in parts
    }
    return pd.DataFrame(figures).T


def departments(sets: Sets, model: Model) -> pd.DataFrame:
    """Return AUC by department of whether a customer buys there: the offers' chances against their own baskets."""
    gate, customers = sets["gate"], sets["customers"]
    customers = customers[customers["customer_id"].isin(gate["customer_id"])]
    department = sets["gate"].drop_duplicates("product_type").set_index("product_type")["department"]
    bought = truth_of(customers).assign(department=lambda rows: rows["item"].map(department))
    hits = bought.groupby(["department", "customer_id"]).size()
    rows = gate.assign(no=np.log1p(-np.minimum(model.predict(gate), 1 - 1e-9)))
    chance = -rows.groupby(["department", "customer_id"])["no"].sum()
    lists = ["types", "type_baskets_84", "type_baskets_total"]
    own = customers[["customer_id", *lists]].dropna().explode(lists)
    own = own.assign(
        department=own["types"].map(department),
        baskets=(own["type_baskets_84"] + 1e-3 * own["type_baskets_total"]).astype("float64"),
    )
    baskets = own.groupby(["department", "customer_id"])["baskets"].sum()
    lines = []
    for name in sorted(department.dropna().unique()):
        truth = hits.get(name, pd.Series(dtype=float)).reindex(customers["customer_id"]).notna().to_numpy()
        if min(truth.sum(), (~truth).sum()) < 30:
            continue
        scores = [source.get(name, pd.Series(dtype=float)).reindex(customers["customer_id"]).fillna(0.0)
                for source in (chance, baskets)]  # fmt: skip
        lines.append((name, truth.mean(), (scores[0] > 0).mean(), *(roc_auc_score(truth, score) for score in scores)))
    return pd.DataFrame(lines, columns=["department", "buy", "with a candidate", "offers", "own baskets"])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--night", type=date.fromisoformat, default=date(2017, 12, 3))
    parser.add_argument("--cache", type=Path, help="file to keep the sets in")
    parser.add_argument("--back", type=int, default=0, help="windows before the night's own to judge on")
    parser.add_argument("--served", action="store_true", help="judge the lists that both rankers serve together")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    if arguments.cache and arguments.cache.exists():
        sets = pickle.loads(arguments.cache.read_bytes())
    else:
        sets = built(load(), arguments.night, arguments.back)
        if arguments.cache:
            arguments.cache.write_bytes(pickle.dumps(sets))
    print(f"night {arguments.night}: {len(sets['train']):,} training pairs, {len(sets['gate']):,} of the gate; "
          "HitRate@5 and NDCG@5")  # fmt: skip
    if arguments.served:
        print_served(served(sets))
        return
    judged, model, started = {}, None, time.process_time()
    for name, inputs in VARIANTS.items():
        fitted, judged[name] = ranked(sets, *inputs)
        if model is None:
            model = fitted
            print(f"  both rankers are trained and judged in {time.process_time() - started:.0f} CPU s", flush=True)
    judged |= baselines(sets)
    report(judged)
    print(sources(sets).round(3).to_string())
    print(shown(judged).round(4).to_string())
    for name in COLD:
        evaluations = {method: parts["all"].slices[name] for method, parts in judged.items() if "all" in parts}
        print(f"  {name}: {len(evaluations[NIGHT])} customers, HitRate@5 and NDCG@5")
        for method, rows in evaluations.items():
            print(f"    {method:<36} {rows['hit_rate'].mean():.3f} {rows['ndcg'].mean():.3f}")
    table = departments(sets, model)
    print(table.round(3).to_string(index=False))
    print(f"  mean AUC of {len(table)} departments: offers {table['offers'].mean():.3f}, "
          f"own baskets {table['own baskets'].mean():.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
