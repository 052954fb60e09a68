"""How stable segments are: consecutive nights over one clean layer, who keeps their segment, and why customers moved.

Reads the newest night of the installation's lake (NBO_HOME) and looks back from it; features see no later day, so the
clean layer of the last night serves all of them.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from datetime import date, timedelta

from pyspark.sql import DataFrame

from conf.settings.load import load
from conf.tables.features import SEGMENTS
from features.customers.profile import profile
from features.lines import basket_types, lines
from features.schemas import struct
from features.segments.fit import FitConfig, SegmentFit
from features.segments.segments import SegmentConfig, segments
from jobs.lake.lake import Lake
from jobs.spark import session
from jobs.stages import Stage


def main() -> None:
    """Print a line a night, and the shares over all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=8, help="8 hold one refit, seven days after the first")
    options = parser.parse_args()
    settings = load()
    lake, spark = Lake(settings.lake), session(settings, "bench")
    last = lake.days(Stage.VALIDATE)[-1]

    def clean(name: str) -> DataFrame | None:
        return lake.spark(spark, f"clean/{name}", last) if lake.has(f"clean/{name}", last) else None

    customers, bought, products = clean("customers"), clean("order_lines"), clean("products")
    lines(bought, products).persist()
    basket_types(bought, products).persist().count()
    before: SegmentFit | None = None
    held: dict[str, str] = {}
    total: Counter[str] = Counter()
    for number in range(options.nights):
        night = last - timedelta(days=options.nights - 1 - number)
        who = profile(customers, bought, products, clean("campaign_targets"), clean("responses"), night,
                      settings.source.timezone).persist()  # fmt: skip
        earlier = None
        if before is not None:
            rows = [(key, segment, None, None, None, None) for key, segment in held.items()]
            earlier = spark.createDataFrame(rows, struct(SEGMENTS))
        result = segments(who, night, SegmentConfig(FitConfig()), before, earlier)
        members = result.members.collect()
        if before is not None:
            total += _print_moves(night, members, held, result.fitted, before)
        else:
            print(f"{night}: {len(members):,} customers in {len(result.fitted.ids)} segments and cold ones")
        held, before = {row["customer_id"]: row["segment_id"] for row in members}, result.fitted
        who.unpersist()
    customer_nights = sum(total.values())
    print(
        "over all nights: " + ", ".join(f"{name} {count / customer_nights:.2%}" for name, count in total.most_common())
    )
    spark.stop()


def _print_moves(
    night: date, members: list, held: dict[str, str], fitted: SegmentFit, before: SegmentFit
) -> Counter[str]:
    """Print a night: of the customers of the night before, who stayed, and why others moved."""
    counts: Counter[str] = Counter()
    for row in members:
        if row["customer_id"] in held:
            counts[row["moved_by"] or "kept"] += 1
    same = len({*fitted.ids} & {*before.ids})
    refit = f"; fitted anew, {same} of {len(fitted.ids)} segments keep their id" if fitted is not before else ""
    line = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    print(f"{night}: kept {counts['kept'] / sum(counts.values()):.2%} ({line}){refit}")
    return counts


if __name__ == "__main__":
    sys.exit(main())
