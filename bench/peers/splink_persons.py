"""Splink's clusters of a table of persons, by the settings of its documentation; run by an interpreter that has Splink.

``python splink_persons.py fake|febrl FILE.csv`` prints a cluster for each row, in the order of the rows.
"""

# mypy: ignore-errors
from __future__ import annotations

import json
import logging
import sys
import time

import pandas as pd
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

THRESHOLD = 0.5
FAKE = {
    "comparisons": [
        cl.NameComparison("first_name"),
        cl.NameComparison("surname"),
        cl.DateOfBirthComparison("dob", input_is_string=True, datetime_format="%Y-%m-%d"),
        cl.ExactMatch("city").configure(term_frequency_adjustments=True),
        cl.EmailComparison("email"),
    ],
    "blocks": [block_on("first_name"), block_on("surname"), block_on("dob"), block_on("email")],
    "sure": ["l.first_name = r.first_name and l.surname = r.surname and l.dob = r.dob", block_on("email")],
    "sessions": [block_on("first_name", "surname"), block_on("dob")],
}
FEBRL = {
    "comparisons": [
        cl.NameComparison("given_name"),
        cl.NameComparison("surname"),
        cl.DateOfBirthComparison("date_of_birth", input_is_string=True, datetime_format="%Y%m%d"),
        cl.LevenshteinAtThresholds("soc_sec_id", [1, 2]),
        cl.ExactMatch("street_number").configure(term_frequency_adjustments=True),
        cl.ExactMatch("postcode").configure(term_frequency_adjustments=True),
    ],
    "blocks": [
        block_on("soc_sec_id"), block_on("given_name"), block_on("surname"), block_on("date_of_birth"),
        block_on("postcode"),
    ],
    "sure": [block_on("soc_sec_id"), block_on("given_name", "surname", "date_of_birth")],
    "sessions": [block_on("date_of_birth"), block_on("postcode")],
}  # fmt: skip


def main() -> None:
    """Print the clusters and the CPU seconds as JSON."""
    logging.disable(logging.WARNING)
    given = FAKE if sys.argv[1] == "fake" else FEBRL
    table = pd.read_csv(sys.argv[2], dtype="string").reset_index(names="unique_id")
    table = table.astype(object).where(table.notna(), None)
    start = time.process_time()
    settings = SettingsCreator(
        link_type="dedupe_only", comparisons=given["comparisons"],
        blocking_rules_to_generate_predictions=given["blocks"], retain_intermediate_calculation_columns=False,
    )  # fmt: skip
    api = DuckDBAPI()
    linker = Linker(api.register(table), settings)
    linker.training.estimate_probability_two_random_records_match(given["sure"], recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    for rule in given["sessions"]:
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    scored = linker.inference.predict(threshold_match_probability=0.05)
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(scored, THRESHOLD)
    labels = clusters.as_pandas_dataframe().set_index("unique_id")["cluster_id"].reindex(range(len(table)))
    print(json.dumps({"clusters": labels.astype(int).tolist(), "cpu": time.process_time() - start}))


if __name__ == "__main__":
    main()
