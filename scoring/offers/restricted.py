"""Goods that are not offered by default: they need an age or a consent, or may not be advertised.

A product is restricted if its department, category or type holds a word of a kind below, in any of the languages. Kinds
are allowed, and words added or excepted, by ``policy.restricted``.
"""

from __future__ import annotations

import re

from pyspark.sql import Column, DataFrame, functions as F

from conf.settings.schema import RestrictedGoods

#: kind -> words of categories in English, German, French, Spanish, Polish, Russian and Ukrainian; * is any ending
WORDS: dict[str, tuple[str, ...]] = {
    "tobacco": (
        "cigarette*", "cigar", "cigars", "tobacco*", "snuff", "vape*", "vaping", "tabak*", "zigarett*",
        "zigarr*", "tabac", "tabaco*", "cigarro*", "cigarrillo*", "papieros*", "tyton*", "tytoń", "сигар*",
        "табак*", "табач*", "вейп*", "кальян*", "тютюн*", "цигар*",
    ),
    "alcohol": (
        "beer", "beers", "ale", "ales", "lager", "wine", "wines", "liquor", "liquors", "liqueur*", "spirits",
        "vodka*", "whisky*", "whiskey*", "rum", "gin", "tequila", "brandy", "cognac", "champagne", "vermouth",
        "schnapps", "alcohol*", "bier", "biere", "wein", "weine", "sekt", "schnaps", "spirituosen", "bière*",
        "vin", "vins", "spiritueux", "alcool*", "cerveza*", "vino", "vinos", "licor", "licores", "piwo", "piwa",
        "wino", "wina", "wódka*", "alkohol*", "пиво", "пива", "вино", "вина", "винн*", "водк*", "коньяк*",
        "виски", "ликер*", "ликёр*", "шампанск*", "алкогол*", "горілк*", "лікер*",
    ),
    "medicines": (
        "pharmacy", "pharmaceutical*", "medicine*", "medication*", "prescription*", "analgesic*", "laxative*",
        "antacid*", "anti-acid*", "antibiotic*", "antihistamine*", "sinus", "allergy", "cold and flu",
        "cold & flu", "sleeping aid*", "arznei*", "medikament*", "médicament*", "pharmacie", "medicamento*",
        "farmacia", "lekarstw*", "leki", "лекарств*", "медикамент*", "аптек*", "ліки", "лікарськ*",
    ),
    "gambling": (
        "lottery", "lotto", "scratch card*", "casino*", "betting", "lotterie*", "glücksspiel*", "loterie*",
        "lotería*", "loteria", "лотере*", "казино", "ставки на спорт",
    ),
    "weapons": (
        "firearm*", "ammunition", "ammo", "gun", "guns", "rifle*", "pistol*", "waffe*", "munition", "armes",
        "armas", "broń", "оружи*", "патроны", "збро*", "набої",
    ),
    "adult": (
        "erotic*", "condom*", "contracepti*", "sexual*", "family planning", "sex toy*", "erotik*", "kondom*",
        "érotique*", "préservatif*", "preservativo*", "prezerwatyw*", "эротик*", "эротич*", "презерватив*",
        "еротик*", "інтимні товари", "интимные товары",
    ),
    "infant formula": (
        "infant formula*", "baby formula*", "infant milk*", "säuglingsnahrung", "lait infantile",
        "leche infantil", "детские смеси", "детская смесь", "молочные смеси", "дитячі суміші",
    ),
}  # fmt: skip
#: phrases that hold such a word and are none
EXCEPTIONS = (
    "root beer", "ginger beer", "ginger ale", "wine vinegar*", "vinegar wine*", "vinegar all-except wine*",
    "non-alcoholic", "non alcoholic", "alcohol free", "alcohol-free", "alkoholfrei*", "sans alcool", "sin alcohol",
    "безалкогольн*", "винный уксус", "винного уксуса", "rum raisin", "toy gun*", "water gun*", "glue gun*",
    "caulk* gun*", "massage gun*",
)  # fmt: skip


def restricted_kind(text: Column, rule: RestrictedGoods) -> Column:
    """Return the first restricted kind whose words ``text`` holds, or null.

    Args:
        text: department, category and product type in one string.
        rule: kinds that are allowed, further words and exceptions.
    """
    plain = F.regexp_replace(F.lower(F.coalesce(text, F.lit(""))), _pattern((*EXCEPTIONS, *rule.exceptions)), " ")
    words = {kind: listed for kind, listed in WORDS.items() if kind not in rule.allow}
    if rule.words:
        words["configured"] = tuple(rule.words)
    return F.coalesce(
        F.lit(None).cast("string"), *(F.when(plain.rlike(_pattern(w)), F.lit(kind)) for kind, w in words.items())
    )


def restricted_products(products: DataFrame, rule: RestrictedGoods) -> DataFrame:
    """Return the restricted products: ``product_id``, ``product_type`` and ``kind``.

    Args:
        products: ``PRODUCTS``.
        rule: ``policy.restricted``.
    """
    place = F.concat_ws(" / ", "department", "category", "product_type")
    marked = products.select("product_id", "product_type", restricted_kind(place, rule).alias("kind"))
    return marked.where("kind is not null")


def restricted_types(restricted: DataFrame) -> DataFrame:
    """Return the product types with a restricted product: ``product_type`` and ``kind``; some hundred rows.

    Args:
        restricted: from :func:`restricted_products`.
    """
    named = restricted.where("product_type is not null")
    return named.groupBy("product_type").agg(F.min("kind").alias("kind"))


def with_restricted_scope(coupons: DataFrame, scope: DataFrame, restricted: DataFrame, most: float) -> DataFrame:
    """Add ``restricted_scope`` to coupons: more than ``most`` of the scope's products are restricted.

    Args:
        coupons: ``offer_id``.
        scope: ``OFFER_PRODUCTS``.
        restricted: from :func:`restricted_products`.
        most: share of the products of a scope that may be restricted.
    """
    marked = scope.select("offer_id", "product_id").distinct()
    marked = marked.join(restricted.select("product_id", F.lit(1).alias("_is")), "product_id", "left")
    shares = marked.groupBy("offer_id").agg((F.count("_is") / F.count("*") > most).alias("restricted_scope"))
    rows = coupons.join(F.broadcast(shares), "offer_id", "left")
    return rows.withColumn("restricted_scope", F.coalesce("restricted_scope", F.lit(False)))


def _pattern(words: tuple[str, ...]) -> str:
    """Return a Java pattern that finds whole words of any alphabet; ``*`` is any ending."""
    escaped = (re.escape(word.lower()).replace(r"\*", r"\p{L}*") for word in words)
    return rf"(?U)(?<![\p{{L}}\p{{N}}])(?:{'|'.join(escaped)})(?![\p{{L}}\p{{N}}])"
