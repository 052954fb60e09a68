"""What a night publishes of itself: its checks, models, studies, and that it is there."""

from __future__ import annotations

from conf.tables.segments import DS
from conf.tables.table import Column, Table

DATA_QUALITY = Table(
    "data_quality",
    "one check of one table on one night",
    ("ds", "table_name", "check_name"),
    (
        DS,
        Column("table_name", "string", "table of the clean layer", nullable=False),
        Column("check_name", "string", "expectation and column", nullable=False),
        Column(
            "kind",
            "string",
            "row: quarantines rows; table: stops the night; note: is only reported",
            nullable=False,
        ),
        Column("passed", "boolean", "the check holds", nullable=False),
        Column("rows_checked", "long", "rows the check saw"),
        Column("rows_failed", "long", "rows that broke it; null where it is not about rows"),
        Column("observed", "string", "what was found, without personal values"),
        Column("expected", "string", "what was expected"),
    ),
)

MODEL_VERSIONS = Table(
    "model_versions",
    "one model considered on one night",
    ("ds", "name", "sha256"),
    (
        DS,
        Column("name", "string", "registered model", nullable=False),
        Column("sha256", "string", "hash of the model's files", nullable=False),
        Column("version", "string", "version in the MLflow registry", nullable=False),
        Column("kind", "string", "what sort of model it is", nullable=False),
        Column("standing", "string", "champion or challenger", nullable=False),
        Column("decision", "string", "why it was promoted or refused", nullable=False),
        Column("trained_through", "date", "last day it has seen, labels included", nullable=False),
        Column("metric", "string", "metric of the gate, on held-out time", nullable=False),
        Column("value", "double", "the model's value"),
        Column("baseline", "string", "name of the baseline", nullable=False),
        Column("baseline_value", "double", "the baseline's value on the same window"),
        Column("low", "double", "lower end of the 95 % paired interval of value - baseline_value"),
        Column("high", "double", "upper end of the 95 % paired interval of value - baseline_value"),
        Column("run_id", "string", "MLflow run", nullable=False),
    ),
)

#: of ``MODEL_COMPARISON``: how the methods of sources of candidates begin and their metrics, the metrics of what lists
#: show, and the slices of whom or what little is known
CANDIDATES, RECALL, CANDIDATES_EACH = "candidates: ", "candidate_recall", "candidates_each"
SHOWN = ("coverage", "novelty", "diversity", "miscalibration")
COLD = ("cold customers", "cold items")

MODEL_COMPARISON = Table(
    "model_comparison",
    "one figure of one method that a model was compared with when it was last considered",
    ("ds", "name", "method", "slice", "metric"),
    (
        DS,
        Column("name", "string", "registered model", nullable=False),
        Column(
            "method",
            "string",
            "challenger, champion, baseline, or candidates: and a source; ' + <model>': beside the model that serves a "
            "part of the same lists",
            nullable=False,
        ),
        Column(
            "slice",
            "string",
            "all, repeats, discoveries, redeemers, cold customers (fewer than two baskets before), cold items (at most "
            "five buyers before), or a stage of the funnel",
            nullable=False,
        ),
        Column(
            "metric",
            "string",
            "hit_rate, ndcg, recall, precision, map, or the gate's metric; of lists coverage, novelty, diversity, "
            "miscalibration; of sources candidate_recall (share of what was bought), candidates_each (per customer)",
            nullable=False,
        ),
        Column(
            "value",
            "double",
            "mean over the customers of the gate window, which no method has learnt from; null: nothing to judge",
        ),
        Column("low", "double", "lower end of the 95 % bootstrap interval; null: none is taken"),
        Column("high", "double", "upper end of the 95 % bootstrap interval; null: none is taken"),
        Column("customers", "long", "customers it is taken over; with a null value, who would have been"),
    ),
)

KPI_RULES = Table(
    "kpi_rules",
    "one rule on what goes with one outcome, from the last training",
    ("ds", "kpi", "rank"),
    (
        DS,
        Column("kpi", "string", "churn, coupon_response, or a label of customer_propensities", nullable=False),
        Column("rank", "int", "1 is the rule with the highest rate", nullable=False),
        Column("title", "string", "the outcome in a marketer's words", nullable=False),
        Column("rule", "string", "whom it speaks of, in a marketer's words", nullable=False),
        Column("customers", "long", "customers of the check period that it speaks of"),
        Column("rate", "double", "share with the outcome on the earlier windows it was found on"),
        Column("base_rate", "double", "the same of all customers"),
        Column("check_rate", "double", "share with the outcome in the check period; null without a customer"),
        Column("check_low", "double", "lower end of its 95 % interval (Wilson)"),
        Column("check_high", "double", "upper end of its 95 % interval (Wilson)"),
        Column("check_base_rate", "double", "share with the outcome in the check period, of all customers"),
        Column("held", "boolean", "in the check period the interval lies on the rule's side of all", nullable=False),
        Column("first_question", "string", "what the rules of this outcome ask about first, in words", nullable=False),
        Column("stability", "double", "share of resamples of the customers that ask about the same first"),
        Column("checked_from", "date", "as_of of the check period; its labels are the days of the horizon after it"),
    ),
)

UPLIFT_VERDICTS = Table(
    "uplift_verdicts",
    "what can be said of the effect of one treatment by one method, from the last training",
    ("ds", "treatment", "method"),
    (
        DS,
        Column("treatment", "string", "kind of the campaign; any: no treatment is recorded", nullable=False),
        Column("outcome", "string", "what is to be changed", nullable=False),
        Column("method", "string", "learner, or none where no effect is claimed", nullable=False),
        Column("design", "string", "randomised, observational or none", nullable=False),
        Column("customers", "long", "customers compared"),
        Column("treated", "long", "those among them who were treated"),
        Column("effect", "double", "mean difference of the outcome between the arms; null unless randomised"),
        Column("effect_low", "double", "lower end of its 95 % bootstrap interval"),
        Column("effect_high", "double", "upper end of its 95 % bootstrap interval"),
        Column("uplift_30", "double", "the same among the 30 % with the highest predicted effects, held out"),
        Column("uplift_30_low", "double", "lower end of its 95 % bootstrap interval"),
        Column("uplift_30_high", "double", "upper end of its 95 % bootstrap interval"),
        Column("qini", "double", "area between the Qini curve and the diagonal, per customer"),
        Column("qini_low", "double", "lower end of its 95 % bootstrap interval"),
        Column("qini_high", "double", "upper end of its 95 % bootstrap interval"),
        Column("overlap_roc_auc", "double", "how well a model separates the arms on held-out folds; 0.5: not at all"),
        Column("outside", "double", "share of customers without anybody alike in the other arm"),
        Column("verdict", "string", "what follows, in words", nullable=False),
        Column("caveat", "string", "why it may be trusted or not", nullable=False),
        Column("as_of", "date", "day up to which the customers are described; the effect is looked for after it"),
    ),
)

NIGHTLY_RUNS = Table(
    "nightly_runs",
    "one published night",
    ("ds",),
    (
        DS,
        Column("published_at", "timestamp", "moment of publishing (UTC)", nullable=False),
        Column("scores_version", "string", "version of the scores in the lake", nullable=False),
        Column("scores_content", "string", "content hash of the scores", nullable=False),
        Column("code_version", "string", "hash of the code", nullable=False),
        Column("config_hash", "string", "hash of the configuration", nullable=False),
        Column("customers", "long", "customers scored", nullable=False),
        Column("offers", "long", "offers made", nullable=False),
        Column("order_lines", "long", "order lines known", nullable=False),
        Column("quarantined_rows", "long", "rows quarantined this night", nullable=False),
    ),
)
