"""Tables that a night publishes to the database (schema ``nbo``; without the prefix in SQLite).

Score tables hold no run ids, durations, time stamps or registry version numbers: the same night, configuration,
code and champions give the same rows. Those stand in ``nightly_runs`` and ``model_versions``.
"""

from __future__ import annotations

from conf.catalogue import CLUSTER_JOURNAL as JOURNAL, PRODUCT_CLUSTERS as CLUSTERS
from conf.interests import FEATURE_COVERAGE as FEATURES_KNOWN, INTERESTS
from conf.items import ITEMS_PUBLISHED
from conf.segment_tables import (
    DS,
    LOOK_ALIKE_CURVES,
    SEGMENT_AFFINITIES,
    SEGMENT_MEMBERS,
    SEGMENT_OVERLAPS,
    SEGMENTS,
)
from conf.tables import Column, Table

CUSTOMER = Column("customer_id", "string", "the CRM's key of the customer", nullable=False)

#: what customer_scores takes over from the interests
SCORED_INTERESTS = (
    "life_stage", "life_stage_basis", "long_interests", "short_interests", "interest_drift", "price_tier",
    "store_loyalty", "leakage",
)  # fmt: skip

NEXT_BEST_OFFER = Table(
    "next_best_offer",
    "one offer of one customer on one night",
    ("ds", "customer_id", "rank"),
    (
        DS,
        CUSTOMER,
        Column("rank", "int", "1 is the best", nullable=False),
        Column("offer_id", "string", "coupon's key, or type:<product type>", nullable=False),
        Column("offer_kind", "string", "coupon or product_type", nullable=False),
        Column("offer_title", "string", "what the customer would read", nullable=False),
        Column("channel", "string", "channel the policy names", nullable=False),
        Column("propensity", "double", "P(buys in the offer's scope within the horizon)", nullable=False),
        Column("response_probability", "double", "coupons: P(redeems within the horizon); else null"),
        Column(
            "expected_spend",
            "double",
            "expected spend in the scope if the customer buys, in the source's currency",
        ),
        Column(
            "expected_value",
            "double",
            "propensity x expected_spend x margin - cost; margin and cost are assumptions",
        ),
        Column("uplift", "double", "incremental probability; null while no trustworthy uplift model exists"),
        Column("is_discovery", "boolean", "the customer never bought in the scope", nullable=False),
        Column("candidate_source", "string", "where the candidate came from", nullable=False),
        Column("reason_codes", "string", "codes of the reasons, joined by ;", nullable=False),
        Column("reason", "string", "the reasons as a plain sentence", nullable=False),
        Column("valid_to", "date", "last day the offer can be taken; null: no end"),
        Column("models", "string", "name:hash of the models that scored it, joined by ;", nullable=False),
        Column("treatment", "string", "treated or control: control customers are never contacted", nullable=False),
        Column("contactable", "boolean", "consent and contact limits allow it tonight", nullable=False),
        Column("blocked_by", "string", "why the customer may not be contacted; null where contactable"),
    ),
)

CUSTOMER_SCORES = Table(
    "customer_scores",
    "one customer on one night",
    ("ds", "customer_id"),
    (
        DS,
        CUSTOMER,
        Column("segment_id", "string", "segment", nullable=False),
        Column("segment_name", "string", "segment in a marketer's words", nullable=False),
        Column("is_cold", "boolean", "fewer than two baskets", nullable=False),
        Column("recency_days", "int", "days since the last basket; null without one"),
        Column("baskets_84", "long", "baskets in the last 84 days"),
        Column("spend_84", "double", "amount paid in the last 84 days"),
        Column("spend_365", "double", "amount paid in the last 365 days"),
        Column("discount_share_365", "double", "discount over list value in 365 days"),
        Column("top_department", "string", "department with the most spend in 365 days"),
        Column("responses_total", "long", "responses (redemptions) ever"),
        Column("types_84", "long", "distinct offerable product types in the last 84 days"),
        Column("private_brand_share_84", "double", "share of spend on own brands; null where brands are unknown"),
        *(INTERESTS.column(name) for name in SCORED_INTERESTS),
        Column("likely", "string", "labels in whose band high the customer is, joined by ;, as segment rules use them"),
        Column(
            "discount_dependence",
            "double",
            "share of purchases at a discount, shrunk to what the product types bought make usual; observational",
        ),
        Column(
            "discount_band",
            "string",
            "only, mostly, mixed or seldom, by the 90 % interval of discount_dependence; null without a purchase",
        ),
        Column(
            "churn_probability",
            "double",
            "P(no purchase within the horizon); null unless active in the last 84 days",
        ),
        Column(
            "churn_band",
            "string",
            "high, middle or low by the night's deciles (top, next two, rest); null unscored",
        ),
        Column("churn_reasons", "string", "what drives the churn probability most, in words"),
        Column("next_action", "string", "most probable next action (table next_actions); null while none is told"),
        Column(
            "own_limit_days", "double", "days that 95 % of the own gaps do not exceed, 7 to 56; null under six visits"
        ),
        Column(
            "outlasts_own_limit",
            "double",
            "P(the absence that runs outlasts own_limit_days), 1 where it has; null without a limit",
        ),
        *(
            Column(
                f"active_in_{weeks}_weeks", "double", f"P(no absence of 28 days began by week {weeks}); null unscored"
            )
            for weeks in (4, 8, 12)
        ),
        Column("weeks_to_leave", "double", "week by which an absence began with even odds; null beyond 12 or unscored"),
        Column(
            "expected_spend",
            "double",
            "spend expected in value_days (84); while no value model serves, the spend of the last 90 days",
        ),
        Column("spend_low", "double", "lower end of the 80 % interval of that spend; null without a value model"),
        Column("spend_high", "double", "upper end of the 80 % interval of that spend; null without a value model"),
        Column("value_class", "string", "A to D: quarters of the customers by falling expected_spend"),
        Column(
            "value_reasons", "string", "what raises (of a customer below the mean: lowers) the value most, in words"
        ),
        Column(
            "offer_ceiling",
            "double",
            "most that a coupon may take off: expected_spend x margin x ceiling_share (assumptions); null: no model",
        ),
        Column("is_valuable", "boolean", "class A: top quarter by expected_spend", nullable=False),
        Column("treatment", "string", "treated or control: control customers are never contacted", nullable=False),
        Column("contactable", "boolean", "consent and contact limits allow it tonight", nullable=False),
        Column("blocked_by", "string", "why the customer may not be contacted; null where contactable"),
        Column("recent_contacts", "int", "contacts in contact_window_days up to the night, those of the CRM included"),
    ),
)

#: the dictionary of the night's features
FEATURE_COVERAGE = Table(
    "feature_coverage",
    FEATURES_KNOWN.grain,
    ("ds", *FEATURES_KNOWN.key),
    (DS, *FEATURES_KNOWN.columns),
)

#: what the catalogue layer says; a product that is not listed is a cluster of its own under its own id
PRODUCT_CLUSTERS = Table(
    "product_clusters",
    "one product that shares its cluster on one night; a product not listed is a cluster of its own, named by its id",
    ("ds", "product_id"),
    (DS, *CLUSTERS.columns),
)
CLUSTER_JOURNAL = Table(
    "cluster_journal", JOURNAL.grain, ("ds", "event", "cluster_id", "subject"), (DS, *JOURNAL.columns)
)

CHARACTERISTIC_RECOMMENDATIONS = Table(
    "characteristic_recommendations",
    "one product characteristic recommended for one customer on one night",
    ("ds", "customer_id", "rank"),
    (
        DS,
        CUSTOMER,
        Column("rank", "int", "1 is the most probable", nullable=False),
        Column("kind", "string", "kind of characteristic", nullable=False),
        Column("characteristic", "string", "value of the characteristic", nullable=False),
        Column("probability", "double", "P(buys a product with it within the horizon)", nullable=False),
        Column("above_threshold", "boolean", "at or above the characteristic's own threshold", nullable=False),
        Column("is_discovery", "boolean", "the customer never bought a product with it", nullable=False),
        Column("stage", "string", "stage of the funnel: first contact, sale or retention", nullable=False),
        Column("advice", "string", "what to say of it in a talk at this stage", nullable=False),
        Column(
            "standing",
            "string",
            "champion or challenger: whether the model beat its baseline",
            nullable=False,
        ),
        Column("model", "string", "name:hash of the model", nullable=False),
    ),
)

CUSTOMER_PROPENSITIES = Table(
    "customer_propensities",
    "one label of conf/propensities.yml that can be asked of one customer on one night",
    ("ds", "customer_id", "label"),
    (
        DS,
        CUSTOMER,
        Column("label", "string", "what the customer will do within the horizon, or is", nullable=False),
        Column("probability", "double", "that it is so; of an amount, that it is above zero", nullable=False),
        Column(
            "band",
            "string",
            "high or middle: where the top tenth and the next fifth stood when the model was made; low",
            nullable=False,
        ),
        Column("reasons", "string", "what raises the probability most, in words; empty: nothing does", nullable=False),
        Column("model", "string", "name:hash of the model", nullable=False),
        Column("standing", "string", "champion or challenger", nullable=False),
        Column("expected", "double", "the amount that is expected; null where the label is none"),
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
        Column("overlap_roc_auc", "double", "how well a model tells the arms apart on held-out folds; 0.5: not at all"),
        Column("outside", "double", "share of customers without anybody alike in the other arm"),
        Column("verdict", "string", "what follows, in words", nullable=False),
        Column("caveat", "string", "why it may be trusted or not", nullable=False),
        Column("as_of", "date", "day up to which the customers are described; the effect is looked for after it"),
    ),
)

ORGANIZATION_CHARACTERISTICS = Table(
    "organization_characteristics",
    "one product characteristic for one organisation on one night, put together from its contacts",
    ("ds", "organization_id", "rank"),
    (
        DS,
        Column("organization_id", "string", "the CRM's key of the organisation", nullable=False),
        Column("rank", "int", "1 is the most probable", nullable=False),
        Column("characteristic", "string", "value of the characteristic", nullable=False),
        Column("probability", "double", "P(at least one contact buys a product with it)", nullable=False),
        Column("contacts", "long", "contacts it is among the first characteristics of", nullable=False),
    ),
)

NEXT_ACTIONS = Table(
    "next_actions",
    "one action that a customer may take next, as told on one night: the first steps of his journey",
    ("ds", "customer_id", "rank"),
    (
        DS,
        CUSTOMER,
        Column("rank", "int", "1 is the most probable", nullable=False),
        Column(
            "action",
            "string",
            "department that leads the next visit (gets most of the money), other, or no purchase within the horizon",
            nullable=False,
        ),
        Column("probability", "double", "P(it is the next action)", nullable=False),
        Column("expected_day", "date", "day the visit is expected if it is this action; null for no purchase"),
        Column("model", "string", "name:hash of the model", nullable=False),
    ),
)

OFFER_OUTCOMES = Table(
    "offer_outcomes",
    "one figure on what the offers of a past night brought within the horizon",
    ("ds", "offers_of", "offer_kind", "slice", "method", "metric"),
    (
        DS,
        Column("offers_of", "date", "the night that made the offers", nullable=False),
        Column("offer_kind", "string", "product_type, coupon, characteristic, or any: all purchases", nullable=False),
        Column("slice", "string", "all, repeat, discovery, treated or control", nullable=False),
        Column("method", "string", "nbo, popularity or personal_frequency", nullable=False),
        Column("metric", "string", "hit_rate@5, ndcg@5, redemptions@2, coverage, ...", nullable=False),
        Column("value", "double", "value of the metric"),
        Column("customers", "long", "customers it is taken over"),
        Column("low", "double", "lower end of the 95 % bootstrap interval; null where none"),
        Column("high", "double", "upper end of the 95 % bootstrap interval; null where none"),
        Column(
            "is_replay",
            "boolean",
            "the night was replayed, nobody was contacted: no lift is claimed",
            nullable=False,
        ),
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

MODEL_COMPARISON = Table(
    "model_comparison",
    "one figure of one method that a model was compared with when it was last considered",
    ("ds", "name", "method", "slice", "metric"),
    (
        DS,
        Column("name", "string", "registered model", nullable=False),
        Column("method", "string", "challenger, champion, or the baseline's name", nullable=False),
        Column("slice", "string", "all, repeats, discoveries, cold customers or cold items", nullable=False),
        Column("metric", "string", "hit_rate, ndcg, recall, precision, map, or the gate's metric", nullable=False),
        Column("value", "double", "mean over the customers of the gate window, which no method has learnt from"),
        Column("low", "double", "lower end of the 95 % bootstrap interval"),
        Column("high", "double", "upper end of the 95 % bootstrap interval"),
        Column("customers", "long", "customers it is taken over"),
    ),
)

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

CONTACTS = Table(
    "contacts",
    "one customer in one segment file that was delivered on a live night",
    ("ds", "customer_id", "segment"),
    (
        DS,
        CUSTOMER,
        Column("segment", "string", "slug of the segment file", nullable=False),
        Column("offer_id", "string", "offer the file carries for the customer; null where it carries none"),
        Column("channel", "string", "channel the policy names", nullable=False),
        Column("contacted_on", "date", "day from which contact limits count it", nullable=False),
    ),
)

PUBLISHED: dict[str, Table] = {
    table.name: table
    for table in (
        NEXT_BEST_OFFER,
        CUSTOMER_SCORES,
        SEGMENTS,
        SEGMENT_MEMBERS,
        PRODUCT_CLUSTERS,
        CLUSTER_JOURNAL,
        SEGMENT_AFFINITIES,
        SEGMENT_OVERLAPS,
        LOOK_ALIKE_CURVES,
        FEATURE_COVERAGE,
        *ITEMS_PUBLISHED,
        CHARACTERISTIC_RECOMMENDATIONS,
        CUSTOMER_PROPENSITIES,
        KPI_RULES,
        UPLIFT_VERDICTS,
        ORGANIZATION_CHARACTERISTICS,
        NEXT_ACTIONS,
        OFFER_OUTCOMES,
        MODEL_VERSIONS,
        MODEL_COMPARISON,
        DATA_QUALITY,
        NIGHTLY_RUNS,
        CONTACTS,
    )
}
