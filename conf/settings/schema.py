"""Typed schema of what stands under ``conf/``: offers, policy, segments, models, and the installation as a whole."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from conf.settings.decisions import Decisions
from conf.settings.propensities import Propensities
from conf.settings.schedule import Schedule
from conf.settings.source import Source
from conf.settings.strict import Share, Slug, Strict


class ProductTypeOffers(Strict):
    """Product types offered by the house itself, without a campaign."""

    min_buyers: int = Field(gt=0, description="customers who ever bought the type")
    exclude_departments: list[str] = Field(default=[])
    margin: Share = Field(description="assumption: share of the spend that stays")
    cost: float = Field(ge=0, description="assumption: cost of making the offer, in the source's currency")
    discoveries: int = Field(default=0, ge=0, description="places kept for types the customer never bought")


class CouponOffers(Strict):
    """Coupons of the source's campaigns."""

    margin: Share = Field(description="assumption: share of the spend that stays")
    discount: float = Field(ge=0, description="assumption where the source has none: money off")
    max_per_customer: int = Field(ge=0, description="coupons among a customer's offers")


class Offers(Strict):
    """What can be offered; every margin, cost and discount here is an assumption and shown as one."""

    per_customer: int = Field(default=5, gt=0, le=50)
    ceiling_share: Share = Field(
        default=0.2,
        description="decision: share of the margin expected of a customer that a coupon may take off at most",
    )
    product_types: ProductTypeOffers
    coupons: CouponOffers
    title_words: dict[str, str] = Field(
        default={},
        description="abbreviation of product names in lower case -> words that customers read; empty: left out",
    )


class Fit(Strict):
    """A hard filter: a product's attribute must be one of the customer's, or of something they bought."""

    attribute: str = Field(description="attribute of the offered product; several values are separated by |")
    customer: str | None = Field(None, description="column or attribute of the customer that it must equal")
    owned_type: str | None = Field(None, description="or: product type of which the customer has one ...")
    owned: str | None = Field(None, description="... whose attribute it must equal")
    unknown: Literal["allow", "refuse"] = Field("refuse", description="where nothing is known of the customer")

    @model_validator(mode="after")
    def _compares_with_one_thing(self) -> Fit:
        owned = (self.owned_type, self.owned)
        if (self.customer is None) == (None in owned) or (self.customer and any(owned)):
            raise ValueError("compares with `customer`, or with `owned` of `owned_type`; exactly one of them")
        return self


RestrictedKind = Literal["tobacco", "alcohol", "medicines", "gambling", "weapons", "adult", "infant formula"]


class RestrictedGoods(Strict):
    """Goods that are not offered: all kinds of :mod:`scoring.offers.restricted` unless allowed here."""

    allow: list[RestrictedKind] = Field(default=[], description="kinds that may be offered")
    words: list[str] = Field(default=[], description="further words of names; * is any ending")
    exceptions: list[str] = Field(default=[], description="phrases that hold such a word and are not restricted")
    coupon_share: Share = Field(default=0.0, description="share of a coupon's products that may be restricted")


class Policy(Strict):
    """Who may be contacted, and how often."""

    control_share: Share = Field(default=0.1, description="customers never contacted, by a salted hash, for ever")
    control_salt: str = Field(min_length=8)
    repeat_days: int = Field(default=7, ge=0, description="days before the same offer may go out again")
    max_contacts: int = Field(default=3, gt=0, description="contacts in contact_window_days, all channels")
    contact_window_days: int = Field(default=14, gt=0)
    channel: str = "mail"
    fits: list[Fit] = Field([], description="which products suit whom, by attributes")
    restricted: RestrictedGoods = RestrictedGoods()


class Segment(Strict):
    """A segment file: customers of the night that a condition picks."""

    slug: Slug
    title: str
    about: str = Field(description="one sentence for the marketer")
    where: str = Field(description="SQL condition on the columns of the night's customer_scores")
    offer_where: str | None = Field(
        None,
        description="SQL condition on the night's next_best_offer; the customer's best such offer is written",
    )
    order_by: str = Field(default="customer_id", description="SQL order of the rows")
    family: Slug = Field(default="custom", description="what the segment is shown with")
    deliver: bool = Field(default=True, description="false: members are published, no file is written")


class Partition(Strict):
    """A family of segments: one for each value of an expression; no file is written."""

    family: Slug
    by: str = Field(description="SQL expression on the columns of the night's customer_scores; null: in none")
    most: int = Field(default=12, gt=0, description="segments, the largest")
    least_members: int = Field(default=10, gt=0)


class LookAlike(Strict):
    """A segment of a seed and of the customers most similar to it."""

    slug: Slug
    title: str
    about: str = Field(description="one sentence for the marketer")
    seed: str = Field(description="SQL condition on the night's customer_scores, or the slug of a segment")
    known: str = Field(default="true", description="SQL condition: of whom it is known whether they are of the seed")
    factor: float = Field(default=2.0, gt=1, description="members over those of the seed")
    reach: int | None = Field(default=None, gt=0, description="members; wins over the factor")
    deliver: bool = Field(default=False, description="true: a file of those who may be contacted, the seed left out")
    offer_where: str | None = Field(None, description="as of a segment: the best such offer is written to the file")


Identifier = Literal["email", "phone", "name"]


class Segments(Strict):
    """All segments of rules, and how their files are written."""

    bom: bool = Field(default=True, description="byte order mark, so that Excel reads UTF-8")
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    files_per_customer: int = Field(default=1, gt=0, description="files of a night a customer may be in, the first")
    identifiers: dict[str, list[Identifier]] = Field(
        default={"email": ["email"], "sms": ["phone"], "phone": ["phone"], "messenger": ["phone"]},
        description="channel -> columns of the CRM's customers that its files need; who lacks one is left out",
    )
    segments: list[Segment]
    partitions: list[Partition] = Field(default=[])
    look_alikes: list[LookAlike] = Field(default=[])

    @model_validator(mode="after")
    def _refuse_twins(self) -> Segments:
        slugs = [segment.slug for segment in self.segments] + [look_alike.slug for look_alike in self.look_alikes]
        if twice := sorted({slug for slug in slugs if slugs.count(slug) > 1}):
            raise ValueError(f"slugs given twice: {twice}")
        return self


Loss = Literal["binary_crossentropy", "mean_squared_error", "focal"]
Optimizer = Literal["sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "adamw"]
Activation = Literal["relu", "elu", "gelu", "silu", "tanh", "sigmoid"]


class NetworkTraining(Strict):
    """How the networks over purchase histories are trained; their sizes stand in each network's config class."""

    loss: Loss = "binary_crossentropy"
    optimizer: Optimizer = "adam"
    activation: Activation = "relu"
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0, description="of adamw alone")
    batch: int = Field(default=4096, gt=0, description="rows of a step of the ranker; of sequences an eighth of it")
    epochs: int = Field(default=12, gt=0)
    patience: int = Field(default=2, ge=0, description="epochs without a better score before training stops")
    jit: bool = Field(default=False, description="compile the step by XLA: pays on large batches only")
    seed: int = 20260101


class PriorRule(Strict):
    """What an expert says of characteristics in a stage of the funnel, before there is data."""

    stage: Literal["first contact", "sale", "retention", "any"]
    characteristic: str = Field(description="regular expression that the whole name has to match")
    log_odds: float = Field(ge=-5, le=5, description="added to the log-odds; fades with the contact's baskets")

    @field_validator("characteristic")
    @classmethod
    def _pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from None
        return value


class Prior(Strict):
    """The rules of the expert; none is no prior."""

    rules: list[PriorRule] = Field(default=[])


class Models(Strict):
    """Windows and sizes of what is trained; hyperparameters stand in each model's config class."""

    seed: int = 20260101
    train_windows: int = Field(default=4, gt=0, description="training days, each horizon_days before the other")
    churn_active_days: int = Field(default=84, gt=0, description="a customer is active with a purchase in these days")
    churn_windows: int = Field(default=26, gt=0, description="training days of the churn model, a week apart")
    value_days: int = Field(default=84, gt=0, description="days whose spend is a customer's expected value")
    characteristic_min_buyers: int = Field(default=100, gt=0)
    max_epochs: int = Field(default=30, gt=0)
    bootstrap_rounds: int = Field(default=1000, gt=0)
    min_history_days: int = Field(default=84, gt=0, description="days of orders a window needs up to its as_of")
    ranker_windows: int = Field(default=2, gt=0, description="training windows of the offer ranker, the newest")
    max_customers: int = Field(default=50_000, gt=0, description="customers of a training window, sampled by a hash")
    max_ranker_customers: int = Field(default=4_000, gt=0, description="the same for the offer ranker's candidates")
    coupon_windows: int = Field(
        default=5,
        gt=0,
        description="training windows of the response to coupons: redemptions are few, so more of them",
    )
    action_windows: int = Field(default=12, gt=0, description="training days of the next action, a week apart")
    network: NetworkTraining = NetworkTraining()
    prior: Prior = Prior()


class Catalogue(Strict):
    """Which products are one; what the settings of the method mean is in ``features.catalogue.config``."""

    text: list[Literal["title", "brand", "manufacturer", "size", "product_type", "category", "department"]] = Field(
        default=["title", "brand", "size"],
        min_length=1,
        description="columns of clean/products that are compared; a product without the first one stays alone",
    )
    decisions: str = Field(
        default="catalogue_decisions.csv",
        description="CSV of decisions made by hand, relative to the home; may be absent",
    )
    threshold: Share = Field(default=0.6, description="least similarity of a member to its clusteroid")
    margin: Share = Field(default=0.03, description="the second best cluster must be so much less similar")
    shingles: Literal["words", "pairs", "grams"] = "words"
    sketch: Literal["minhash", "one_permutation", "simhash"] = "minhash"
    length: int = Field(default=128, ge=50, le=500, description="places of a signature where target is given")
    target: float | None = Field(
        default=None, gt=0, lt=1, description="similarity that has to be found; bands and rows follow; null: by size"
    )


class Spark(Strict):
    """The Spark session of every stage."""

    master: str = "local[*]"
    driver_memory: str = "4g"
    shuffle_partitions: int = Field(default=4, gt=0)
    conf: dict[str, str] = Field(default={}, description="further Spark settings")

    @field_validator("conf", mode="before")
    @classmethod
    def _numbers_and_flags_as_spark_writes_them(cls, value: Any) -> Any:
        """YAML reads ``spark.executor.cores: 2`` as a number and ``true`` as a flag; Spark takes words."""
        if not isinstance(value, dict):
            return value
        return {key: str(item).lower() if isinstance(item, bool | int | float) else item for key, item in value.items()}


class Settings(Strict):
    """One installation; made by :func:`conf.settings.load.load` from ``conf/nbo.yml``."""

    home: str = Field(description="local folder for database, MLflow, Airflow, reports and locks")
    lake: str = Field(description="URI or folder of the lake's root")
    exports: str = Field(description="folder the CRM drops its exports in")
    database: str = Field(description="SQLAlchemy URL of the score database")
    mlflow: str = Field(description="MLflow tracking URI")
    horizon_days: int = Field(default=28, gt=0, description="days after ds in which outcomes count")
    readable_by: Literal["owner", "group"] = Field(
        default="owner",
        description="who but root may read what is written: files 0600 and folders 0700, or 0640 and 0750",
    )
    keep_versions: int = Field(default=3, gt=0, description="nights kept when nothing newer refers to them")
    gx_spark_rows: int = Field(20_000_000, gt=0, description="from so many rows on GX runs on Spark, not pandas")
    spark: Spark = Spark()
    schedule: Schedule = Schedule()
    source: Source
    offers: Offers
    policy: Policy
    decisions: Decisions = Decisions()
    segments: Segments
    propensities: Propensities = Propensities()
    models: Models
    catalogue: Catalogue = Catalogue()
