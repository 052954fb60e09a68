"""Soft segments by topics of The Complete Journey: hidden purchases of customers who were not fitted.

Reads the clean layer of the night in ``NBO_HOME`` (``make nightly DS=2017-12-03`` gives it): baskets with each category
in the 84 days up to the night.
"""

from __future__ import annotations

import argparse
import time
from datetime import date, timedelta

import duckdb
import numpy as np
from scipy import sparse

from bench.segmentation.topics import TopicsConfig, judge_topics
from conf.settings.load import load
from jobs.lake.lake import Lake

DAYS = 84


def main() -> None:
    """Print a line for each number of topics, and what they are of."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ds", type=date.fromisoformat, default=date(2017, 12, 3))
    options = parser.parse_args()
    lake = Lake(load().lake)
    with duckdb.connect() as engine:
        for name in ("order_lines", "products"):
            engine.register(name, lake.dataset(f"clean/{name}", options.ds))
        first = options.ds - timedelta(days=DAYS - 1)
        bought = engine.sql(
            "select customer_id, category, count(distinct order_id) as baskets from order_lines join products "
            f"using (product_id) where ordered_on between '{first}' and '{options.ds}' and not is_return "
            "and category is not null group by all order by all"
        ).to_arrow_table()
    customers, row = np.unique(bought["customer_id"].to_numpy().astype(str), return_inverse=True)
    categories, column = np.unique(bought["category"].to_numpy().astype(str), return_inverse=True)
    cells = bought["baskets"].to_numpy().astype("float64"), (row, column)
    counts = sparse.csr_matrix(cells, shape=(len(customers), len(categories)))
    print(f"{len(customers):,} customers, {len(categories)} categories, {counts.sum():,.0f} baskets with one of them")
    started = time.process_time()
    for topic in judge_topics(counts, TopicsConfig()):
        print(
            f"{topic.k:>3} topics: perplexity {topic.perplexity:.1f}, by the shares of all {topic.of_all:.1f}, by own"
            f" shares {topic.of_own:.1f}; softness {topic.softness:.2f}; smallest {min(topic.shares):.1%}"
        )
        for share, places in zip(topic.shares, topic.categories, strict=True):
            print(f"      {share:5.1%}  " + ", ".join(categories[place] for place in places))
    print(f"{time.process_time() - started:.1f} CPU s")


if __name__ == "__main__":
    main()
