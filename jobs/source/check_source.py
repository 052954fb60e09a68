"""``nbo source check``: runs a source's mapping on a sample of its newest exports and says what came of it.

The sample goes through the stages ingest and validate themselves, in a home of its own that is removed afterwards;
limits that would refuse a night are lifted, so that everything that is wrong is said at once.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.compute as pc

from conf.errors import DataError
from conf.settings.expressions import bare
from conf.settings.schema import Settings
from conf.settings.source import Source
from conf.tables.canonical import CANONICAL, COUPON_ENTITIES
from features.canonical.mapping import check_source
from jobs.ingest import ingest
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.source.sample import copy_sample, newest_day
from jobs.validate import validate

#: examples of each rule
EXAMPLES = 3


def check(settings: Settings, args: argparse.Namespace) -> int:
    """Print what a sample comes to; return 3 where something has to be mended.

    Raises:
        ConfigError: the mapping does not work.
        DataError: the exports are not as agreed.
    """
    started = time.monotonic()
    source = settings.source
    check_source(source, CANONICAL)
    day = args.ds or newest_day(settings, datetime.now(ZoneInfo(source.timezone)).date())
    with _only_warnings(), tempfile.TemporaryDirectory(prefix="nbo-check-") as scratch:
        folder = Path(scratch, "exports")
        folder.mkdir()
        first, taken = copy_sample(settings, day, args.rows, folder)
        places = {"home": scratch, "lake": f"{scratch}/lake", "exports": str(folder)}
        tried = settings.model_copy(update={**places, "source": _lenient(source, first)})
        raw = ingest.run(tried, day, force=True)
        clean = validate.run(tried, day, force=True)
        lines, faults = report(tried, settings, raw, clean, taken)
    print("\n".join(lines))
    print(f"\n{len(faults)} thing(s) to mend; {time.monotonic() - started:.0f} s")
    for fault in faults:
        print(f"  - {fault}")
    return DataError.exit_code if faults else 0


@contextmanager
def _only_warnings() -> Iterator[None]:
    """Keep the progress of the stages out of the output, and give the loggers back as they were."""
    loggers = [logging.getLogger(name) for name in ("nbo", "conf", "root", "jobs")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def report(
    tried: Settings, settings: Settings, raw: Manifest, clean: Manifest, taken: dict[str, str]
) -> tuple[list[str], list[str]]:
    """Return what a sample came to, in lines, and what has to be mended.

    Args:
        tried: the settings that the sample ran with.
        settings: the installation's own.
        raw: what ingest published of the sample.
        clean: what validate published of it.
        taken: of each export what was taken.
    """
    lake, source, faults = Lake(tried.lake), settings.source, []
    lines = [f"{source.title}: the night {clean.ds}, on a sample", "", "Files"]
    for name, what in taken.items():
        rows = sum(file["rows"] for file in raw.facts["files"].get(name, []))
        refused = raw.facts["rejected"].get(name, 0)
        lines.append(f"  {name}: {rows:,} rows read, {refused:,} malformed ({what})")
        if what.startswith("NO FILE"):
            faults.append(f"export {name}: {what[9:]}")
    lines += ["", "Tables"]
    for name in source.tables:
        some, wrong = _table(lake, settings, clean, name)
        lines += some
        faults += wrong
    lines += ["", "What the night can use", *(f"  {line}" for line in _available(lake, settings, clean))]
    lines += ["", "What it will offer", *(f"  {line}" for line in _offers(lake, settings, clean))]
    return lines, faults


def _table(lake: Lake, settings: Settings, clean: Manifest, name: str) -> tuple[list[str], list[str]]:
    """Say what became of the rows of one canonical table."""
    source, rows = settings.source, clean.tables[f"clean/{name}"].rows if f"clean/{name}" in clean.tables else 0
    came = sum(clean.facts["new_rows"].get(name, {}).values())
    by_rule: dict[str, int] = clean.facts["quarantined"].get(name, {})
    rejected, out = sum(by_rule.values()), clean.facts.get("left_out", {}).get(name) or {}
    left = sum(out.values()) if isinstance(out, dict) else 0
    lines = [
        f"  {name}: {came:,} rows mapped, {rows:,} clean, {rejected:,} quarantined"
        + (f", {left:,} left out by conditions" if left else "")
    ]
    faults = []
    examples = _examples(lake, clean, name)
    for rule, count in sorted(by_rule.items(), key=lambda entry: -entry[1]):
        lines.append(f"    {count:,} by {rule}{examples.get(rule, '')}")
    limit = source.tables[name].max_rejected
    if rejected > limit * max(1, came):
        worst = max(by_rule, key=lambda rule: by_rule[rule])
        faults.append(
            f"{name}: {rejected:,} of {came:,} rows would be quarantined, max_rejected lets {limit:.0%} pass; "
            f"most by {worst}{examples.get(worst, '')}"
        )
    if name == "order_lines" and rows:
        money = pc.sum(lake.arrow(f"clean/{name}", _day(clean), ["amount"])["amount"]).as_py() or Decimal(0)
        written = _written_money(lake, source, clean)
        lines.append(
            f"    money: {money:,.2f} {source.currency} clean"
            + (f", {written:,.2f} as the files have it" if written is not None else "")
        )
        if written is not None and not rejected and not left and abs(money - written) >= Decimal("0.01"):
            faults.append(
                f"{name}: the files hold {written:,.2f}, the clean table {money:,.2f}; look at key and amount"
            )
    return lines, faults


def _examples(lake: Lake, clean: Manifest, name: str) -> dict[str, str]:
    """Return of each rule where its first rows stand, with what they hold; personal columns are not in it."""
    table = f"quarantine/{name}"
    if table not in clean.tables or not clean.tables[table].rows:
        return {}
    examples: dict[str, list[str]] = {}
    for row in lake.arrow(table, _day(clean), ["rule", "_file", "_row", "raw"]).to_pylist():
        shown = examples.setdefault(row["rule"], [])
        if len(shown) < EXAMPLES:
            held = json.loads(row["raw"]) if row["raw"] else {}
            values = ", ".join(f"{key}={str(value)[:40]!r}" for key, value in list(held.items())[:8])
            shown.append(f"{row['_file']} row {row['_row']}" + (f" ({values})" if values else ""))
    return {rule: ", e.g. " + "; ".join(shown) for rule, shown in examples.items()}


def _written_money(lake: Lake, source: Source, clean: Manifest) -> Decimal | None:
    """Return the sum of the amounts as the files have them, where each is one plain column; None else."""
    total = Decimal(0)
    for part in source.tables["order_lines"].parts:
        column = bare(part.columns["amount"])
        table = f"raw/{source.name}/{part.export}"
        if column is None or not lake.has(table, _day(clean)):
            return None
        for value in lake.arrow(table, _day(clean), [column])[column].to_pylist():
            try:
                total += Decimal(str(value).strip()) if value not in (None, "") else 0
            except InvalidOperation:
                return None
    return total


def _available(lake: Lake, settings: Settings, clean: Manifest) -> Iterator[str]:
    """Say which entities and features there will be, and why others will not."""
    source, day = settings.source, _day(clean)
    if "order_lines" in source.tables and clean.tables["clean/order_lines"].rows:
        lines = lake.arrow("clean/order_lines", day, ["customer_id", "product_id", "ordered_on", "discount"])
        dates = lines["ordered_on"].combine_chunks()
        span = (pc.max(dates).as_py() - pc.min(dates).as_py()).days + 1
        customers, products = (
            pc.count_distinct(lines["customer_id"]).as_py(),
            pc.count_distinct(lines["product_id"]).as_py(),
        )
        yield f"orders: {customers:,} customers, {products:,} products, {span:,} days in the sample"
        need = settings.models.min_history_days + settings.horizon_days
        yield f"models are trained from {need} days of history on; until then simple rates serve"
        if not any(lines["discount"].to_pylist()):
            yield "features of discounts: skipped, no line has one"
    else:
        yield "features of purchases: skipped, the source has no order_lines"
    if "customers" in source.tables and clean.tables["clean/customers"].rows:
        people = lake.arrow("clean/customers", day)
        filled = {c: 1 - people[c].null_count / people.num_rows for c in people.column_names if c != "customer_id"}
        shown = ", ".join(f"{column} {share:.0%}" for column, share in filled.items() if share)
        yield f"customers: filled are {shown or 'keys alone'}"
    else:
        yield "features of customers: skipped, the source has no customers"
    missing = [name for name in COUPON_ENTITIES if name not in source.tables]
    yield f"coupons: skipped, without {', '.join(missing)}" if missing else "coupons: there"
    if "needs" not in source.tables:
        yield "needs: made from the products' categories, the source has no needs"
    if source.consent.recorded:
        yield "contacts: by the table of consents; whoever is not in it is not contacted"
    else:
        yield f"contacts: no consents are recorded, and silence means {source.consent.assume}"


def _offers(lake: Lake, settings: Settings, clean: Manifest) -> Iterator[str]:
    """Say which product types have buyers enough."""
    day, least = _day(clean), settings.offers.product_types.min_buyers
    if not {"products", "order_lines"} <= settings.source.tables.keys():
        yield "nothing yet: offers need the tables products and order_lines"
        return
    products = lake.arrow("clean/products", day, ["product_id", "product_type", "offerable", "department"])
    lines = lake.arrow("clean/order_lines", day, ["customer_id", "product_id"])
    joined = lines.join(products, "product_id", join_type="inner")
    known_share = joined.num_rows / max(1, lines.num_rows)
    yield f"{known_share:.0%} of the sample's lines are of a product in `products`"
    joined = joined.filter(pc.and_kleene(joined["offerable"], pc.is_valid(joined["product_type"])))
    counted = (
        joined.group_by("product_type")
        .aggregate([("customer_id", "count_distinct")])
        .sort_by([("customer_id_count_distinct", "descending")])
    )
    types: list[dict[str, Any]] = counted.to_pylist()
    enough = [offer for offer in types if offer["customer_id_count_distinct"] >= least]
    yield f"{len(enough):,} of {len(types):,} product types have {least} buyers in the sample (min_buyers)"
    for offer in types[:5]:
        yield f"  {offer['product_type']}: {offer['customer_id_count_distinct']:,} buyers"


def _lenient(source: Source, first: date) -> Source:
    """Return the source without what refuses a night: schedules, limits of rejected rows, volumes and references."""
    exports = {
        name: export.model_copy(update={"schedule": "optional", "may_be_empty": True})
        for name, export in source.exports.items()
    }
    free = {"max_rejected": 1.0, "max_volume_change": 1e9, "references": {}}
    tables = {name: table.model_copy(update=free) for name, table in source.tables.items()}
    return source.model_copy(update={"history_starts": first, "exports": exports, "tables": tables})


def _day(manifest: Manifest) -> date:
    return date.fromisoformat(manifest.ds)
