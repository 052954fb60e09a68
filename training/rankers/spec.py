"""Rankers of the product types of offers, and models of coupons."""

from __future__ import annotations

from training.formats import KERAS_FILE, KERAS_PACKAGES
from training.rankers.inputs import COUPON_INPUTS, RANKER_INPUTS, RESPONSE_INPUTS
from training.spec import Format, ModelSpec

_PAIRS, _NDCG, _TABLE = ("pairs", "customers"), "ndcg@5", "next_best_offer"
_COUPON_TABLES = ("offers", "offer_products", "campaigns", "campaign_targets", "responses")
OFFER = ModelSpec(
    name="offer_ranker",
    family="rankers",
    title="Product types of offers",
    sets=_PAIRS,
    metric=_NDCG,
    inputs=RANKER_INPUTS,
    contenders="training.rankers.evaluate:offer_contenders",
    served_with="discovery_ranker",
    table=_TABLE,
)
DISCOVERY = ModelSpec(
    name="discovery_ranker",
    family="rankers",
    title="Product types never bought before",
    sets=_PAIRS,
    metric=_NDCG,
    inputs=RANKER_INPUTS,
    contenders="training.rankers.evaluate:discovery_contenders",
    table=_TABLE,
)
WIDE_DEEP = ModelSpec(
    name="offer_ranker_wide_deep",
    family="rankers",
    title="Product types of offers by a wide and deep network",
    sets=_PAIRS,
    metric=_NDCG,
    inputs=RANKER_INPUTS,
    contenders="training.rankers.evaluate:wide_deep_contenders",
    weekly=True,
    challenges="offer_ranker",
    served_with="discovery_ranker",
    formats=(Format("keras", KERAS_FILE, "training.rankers.wide_deep:read", KERAS_PACKAGES, "wide_deep"),),
)
RESPONSE = ModelSpec(
    name="coupon_response",
    family="rankers",
    title="Redemptions of coupons",
    sets=("coupons",),
    metric="log_likelihood",
    inputs=RESPONSE_INPUTS,
    contenders="training.rankers.evaluate:response_contenders",
    tables=_COUPON_TABLES,
    table=_TABLE,
)
SCOPE = ModelSpec(
    name="coupon_scope",
    family="rankers",
    title="Purchases in a coupon's scope",
    sets=("coupons",),
    metric="log_likelihood",
    inputs=COUPON_INPUTS,
    contenders="training.rankers.evaluate:scope_contenders",
    tables=_COUPON_TABLES,
    table=_TABLE,
)
MODELS = (OFFER, DISCOVERY, WIDE_DEEP, RESPONSE, SCOPE)
