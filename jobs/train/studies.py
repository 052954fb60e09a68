"""What a training finds out besides models: rules on what goes with each outcome, and what can be said of campaigns.

They are found when the sets of a training are there; ``study_tables`` writes them again until the next training.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads

from conf.settings.propensities import Amount, Attribute, Purchase
from conf.settings.schema import Settings
from conf.tables.types import arrow_schema
from jobs.train.sets.stored_sets import StoredSets
from jobs.train.study_tables import STUDIES
from scoring.customers.rule_sentences import sentence, subject
from training.propensity.frames import WideFrames
from training.propensity.inputs import LABEL, PROFILE_INPUTS, SERIES_INPUTS, rows as label_rows
from training.studies import uplift_study
from training.studies.rule_tree import RuleConfig, Rules, rule_tree

log = logging.getLogger(__name__)
#: inputs of the rules: what a marketer can picture, and act on
RULE_INPUTS = (
    "recency_days", "baskets_28", "baskets_84", "spend_28", "spend_84", "basket_value_84",
    "interval_days", "gap_last", "discount_share_84", "types_84", "main_store_share_84", "private_brand_share_84",
    "weekend_share_84", "evening_share_84", "campaigns_total", "responses_84",
)  # fmt: skip
OWN_INPUTS = ("recency_days", "visits_total", "spend_84")
#: customers with and without the outcome that a set of rules needs, found and checked
_LEAST = 20


@dataclass(frozen=True)
class Kpi:
    """An outcome: rows it was found on and checked on, with :data:`LABEL`."""

    name: str
    title: str
    inputs: tuple[str, ...]
    fitted: pd.DataFrame
    check: pd.DataFrame


def studies(
    settings: Settings, sets: StoredSets, frames: WideFrames, built: set[str], day: date
) -> dict[str, pa.Table]:
    """Find rules and judge treatments on the sets of a training.

    Args:
        settings: the installation.
        sets: the training sets.
        frames: their wide frames.
        built: names of the sets that are there.
        day: the night.

    Returns:
        ``KPI_RULES`` and ``UPLIFT_VERDICTS`` by name; nothing where the sets do not give the wide frames.
    """
    if not {"customers", "purchase_series", *(["labels"] if settings.propensities.scopes else [])} <= built:
        return {}
    rules = [row for kpi in _kpis(settings, sets, frames, built) for row in _rules(kpi, settings, sets, day)]
    verdicts = list(_verdicts(settings, sets, frames, day))
    tables = {"kpi_rules": rules, "uplift_verdicts": verdicts}
    return {name: pa.Table.from_pylist(rows, schema=arrow_schema(STUDIES[name])) for name, rows in tables.items()}


# --- rules


def _kpis(settings: Settings, sets: StoredSets, frames: WideFrames, built: set[str]) -> Iterator[Kpi]:
    """Yield churn, the response to coupons where there are any, and the propensities that have a horizon."""
    earlier = (sets.windows.validation, *sets.windows.training)

    def of(name: str, title: str, inputs: tuple[str, ...], rows: Any) -> Kpi:
        fitted = pd.concat([rows(day) for day in earlier], ignore_index=True)
        return Kpi(name, title, inputs, fitted, rows(sets.windows.gate))

    def leavers(day: date) -> pd.DataFrame:
        frame = frames.of(sets, day)
        active = frame[frame["recency_days"] < settings.models.churn_active_days]
        return active.assign(**{LABEL: ~active["returned"].astype(bool)})

    def responders(day: date) -> pd.DataFrame:
        redeemed = sets.read("coupons", day).groupby("customer_id")["redeemed"].max().astype(bool)
        return frames.of(sets, day).merge(redeemed.rename(LABEL), on="customer_id")

    yield of("churn", "buys nothing", RULE_INPUTS, leavers)
    if "coupons" in built:
        yield of("coupon_response", "redeems a coupon", RULE_INPUTS, responders)
    for asked in settings.propensities.labels:
        if isinstance(asked, Attribute | Amount):
            continue
        own = tuple(f"{asked.label}:{name}" for name in OWN_INPUTS)
        more = own if isinstance(asked, Purchase) and asked.kind == "buys" else ()
        rows = lambda day, asked=asked: label_rows(frames.of(sets, day), asked)  # noqa: E731
        yield of(asked.label, asked.title, (*RULE_INPUTS, *more), rows)


def _rules(kpi: Kpi, settings: Settings, sets: StoredSets, day: date) -> Iterator[dict[str, Any]]:
    """Yield a row per rule of one outcome."""
    counts = [(frame[LABEL].sum(), (~frame[LABEL]).sum()) for frame in (kpi.fitted, kpi.check)]
    if min(min(count) for count in counts) < _LEAST:
        log.warning("no rules on %s: too few customers with or without it", kpi.name)
        return
    result: Rules | None = rule_tree(kpi.fitted, kpi.check, kpi.inputs, LABEL, RuleConfig(seed=settings.models.seed))
    titles = {label.label: label.title for label in settings.propensities.labels}
    for rank, rule in enumerate(result.rules if result else (), 1):
        yield {
            "ds": day,
            "kpi": kpi.name,
            "rank": rank,
            "title": kpi.title,
            "rule": sentence(rule, kpi.name, titles),
            "customers": rule.checked_rows,
            "rate": rule.rate,
            "base_rate": result.base_rate,  # type: ignore[union-attr]
            "check_rate": _number(rule.checked.value),
            "check_low": _number(rule.checked.low),
            "check_high": _number(rule.checked.high),
            "check_base_rate": result.checked_base_rate,  # type: ignore[union-attr]
            "held": rule.held,
            "first_question": subject(result.first, kpi.name, titles),  # type: ignore[union-attr]
            "stability": result.stability,  # type: ignore[union-attr]
            "checked_from": sets.windows.gate,
        }


# --- campaigns


def _verdicts(settings: Settings, sets: StoredSets, frames: WideFrames, day: date) -> Iterator[dict[str, Any]]:
    """Yield a row per treatment and method: of the newest window in which the treatment was given."""
    touches = _touches(settings, sets, day)
    outcome = f"buys within {settings.horizon_days} days"
    if touches is None or touches.empty:
        why = "the source records no contacts"
        nothing = uplift_study.Finding("none", uplift_study.NO_DESIGN, f"nothing to target here: {why}", why)
        yield _verdict(day, "any", outcome, nothing)
        return
    for treatment, given in touches.groupby("treatment", sort=True):
        for as_of in sets.windows.all:
            end = as_of + timedelta(days=settings.horizon_days)
            now = given[(given["touched_on"] > as_of) & (given["touched_on"] <= end)]
            if now.empty:
                continue
            frame = frames.of(sets, as_of)
            held_back = set(now.loc[now["is_control"], "customer_id"])
            reached = set(now.loc[~now["is_control"], "customer_id"]) - held_back
            arm = frame["customer_id"].isin(reached).to_numpy(dtype=int)
            rows = (arm == 1) | (frame["customer_id"].isin(held_back).to_numpy() if held_back else True)
            x = frame[[*SERIES_INPUTS, *PROFILE_INPUTS]].to_numpy(dtype="float64", na_value=np.nan)
            happened, spent = frame["returned"].to_numpy(dtype=int), frame["spend_84"].to_numpy(dtype="float64")
            for finding in uplift_study.study(
                x[rows], arm[rows], happened[rows], bool(held_back), spent[rows], settings.models.seed
            ):
                yield _verdict(day, str(treatment), outcome, finding, as_of, int(np.sum(rows)), int(arm[rows].sum()))
            break


def _touches(settings: Settings, sets: StoredSets, day: date) -> pd.DataFrame | None:
    """Return who was touched in the windows, with the kind of the campaign as ``treatment``."""
    lake = sets.lake
    if not lake.has("clean/touches", day):
        return None
    first = min(sets.windows.all)
    wanted = ["customer_id", "campaign_id", "touched_on", "is_control"]
    dated = (pads.field("touched_on") > first) & (pads.field("touched_on") <= day)
    touches = lake.dataset("clean/touches", day).to_table(columns=wanted, filter=dated).to_pandas()
    touches["is_control"] = touches["is_control"].eq(True)
    kinds: dict[str, str] = {}
    if lake.has("clean/campaigns", day):
        rows = lake.dataset("clean/campaigns", day).to_table(columns=["campaign_id", "kind"]).to_pylist()
        kinds = {row["campaign_id"]: row["kind"] for row in rows if row["kind"]}
    return touches.assign(treatment=touches["campaign_id"].map(kinds).fillna("contact"))


def _verdict(
    day: date,
    treatment: str,
    outcome: str,
    finding: uplift_study.Finding,
    as_of: date | None = None,
    customers: int | None = None,
    treated: int | None = None,
) -> dict[str, Any]:
    figures = {"effect": finding.effect, "uplift_30": finding.uplift, "qini": finding.qini}
    row: dict[str, Any] = {}
    for name, interval in figures.items():
        row |= {
            name: _number(interval.value),
            f"{name}_low": _number(interval.low),
            f"{name}_high": _number(interval.high),
        }
    return row | {
        "ds": day,
        "treatment": treatment,
        "outcome": outcome,
        "method": finding.method,
        "design": finding.design,
        "customers": customers,
        "treated": treated,
        "overlap_roc_auc": _number(finding.arms.roc_auc),
        "outside": _number(finding.arms.outside),
        "verdict": finding.verdict,
        "caveat": finding.caveat,
        "as_of": as_of,
    }


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
