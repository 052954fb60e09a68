"""Decisions on consent, in the words of closed vocabularies; what cannot be read counts as refused.

* A channel or a purpose that is empty or unknown is all of them in a refusal, and none in a grant.
* A decision or a moment that cannot be read is a refusal. Without a moment it counts from the end of its drop's day,
  so that only a later decision can undo it; a refusal dated later than its drop counts from then on too.
* No row is set aside but one that names no customer.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame, functions as F

from conf.settings.consent import Consent
from conf.settings.source import Part
from conf.tables.canonical import CONSENTS
from conf.tables.consent_words import ALL, letters
from conf.tables.table import Column as DeclaredColumn, Table
from features.canonical.mapping import CAST, MANGLED, ORIGIN, Reading, canonical_rows

#: as sources write it: nothing is refused as a value of another type
_AS_WRITTEN = Table(
    CONSENTS.name,
    CONSENTS.grain,
    CONSENTS.key,
    tuple(
        DeclaredColumn(column.name, "string" if column.name == "granted" else column.type, column.about)
        for column in CONSENTS.columns
    ),
)
#: what is in doubt in a row, in the column ``_doubt``
CHANNEL, PURPOSE, DECISION, MOMENT = "unknown channel", "unknown purpose", "unreadable decision", "unreadable moment"
#: before it no decision was made that a CRM knows of
_OLDEST = "1990-01-01"


def consent_rows(raw: DataFrame, part: Part, reading: Reading, consent: Consent, timezone: str) -> DataFrame:
    """Map one export's rows to ``CONSENTS``; what is in doubt is refused.

    Args:
        raw: the export as ingest left it (see :func:`features.canonical.mapping.canonical_rows`).
        part: its mapping; a row that is deleted is a refusal, since consent that is gone is no consent.
        reading: how keys are read.
        consent: the source's own spellings.
        timezone: zone in which the day of a drop ends.

    Returns:
        The columns of ``CONSENTS``, ``ORIGIN``, the marks of a mapped row, and ``_doubt``: null where all is clear.
    """
    live = part.model_copy(update={"deleted_when": None})
    mapped = canonical_rows(raw, live, _AS_WRITTEN, reading)
    if part.deleted_when:
        gone = canonical_rows(raw, part.model_copy(update={"where": part.deleted_when, "deleted_when": None}),
                              _AS_WRITTEN, reading)  # fmt: skip
        gone = gone.where("_out is null").withColumn("granted", F.lit("refused"))
        mapped = mapped.unionByName(gone)
    granted = decided(F.col("granted"), consent)
    ends = F.to_utc_timestamp(F.date_add("_ds", 1).cast("timestamp"), timezone) - F.expr("interval 1 microsecond")
    moment = F.when(F.col("changed_at") >= F.lit(_OLDEST).cast("timestamp"), F.col("changed_at"))
    doubt = F.concat_ws(
        ", ",
        F.when(~_is_declared(F.col("channel"), consent.channel_words()), CHANNEL),
        F.when(~_is_declared(F.col("purpose"), consent.purpose_words()), PURPOSE),
        F.when(granted.isNull(), DECISION),
        F.when(moment.isNull(), MOMENT),
    )
    yes = F.coalesce(granted, F.lit(False)) & moment.isNotNull()
    frame = mapped.select(
        "customer_id",
        "channel",
        "purpose",
        yes.alias("granted"),
        F.when(yes, moment).otherwise(F.least(F.coalesce(moment, ends), ends)).alias("changed_at"),
        *ORIGIN,
        F.when(~F.col("_fault").rlike(f"^({CAST}|{MANGLED}):"), F.col("_fault")).alias("_fault"),
        "_out",
        "_hash",
        F.nullif(doubt, F.lit("")).alias("_doubt"),
    )
    return in_words(frame, consent)


def in_words(consents: DataFrame, consent: Consent) -> DataFrame:
    """Write channels and purposes in the words of the vocabularies.

    An unknown one is ``*`` (all) in a refusal; a grant of it grants nothing and keeps its spelling.

    Args:
        consents: ``channel``, ``purpose`` and ``granted``, as any source writes them.
        consent: the source's own spellings.
    """
    meanings = {}
    for name, words in (("channel", consent.channel_words()), ("purpose", consent.purpose_words())):
        spelling = F.coalesce(F.col(name), F.lit(""))
        meanings[name] = F.coalesce(_word(F.col(name), words), F.when(F.col("granted"), spelling), F.lit(ALL))
    return consents.withColumns(meanings)


def decided(value: Column, consent: Consent) -> Column:
    """Return whether a text grants; null where it says neither yes nor no."""
    return _word(F.regexp_replace(value, r"\.0+$", ""), consent.decision_words())


def channel_of(name: str, consent: Consent) -> str | None:
    """Return the word of the vocabulary for a channel's spelling; None where it has none.

    >>> channel_of("E-Mail", Consent(recorded=True))
    'email'
    """
    return consent.channel_words().get(letters(name))


def _word(value: Column, words: Mapping[str, str | bool]) -> Column:
    pairs = F.create_map(*(F.lit(cell) for pair in words.items() for cell in pair))
    return F.try_element_at(pairs, F.coalesce(_letters(value), F.lit("")))


def _is_declared(value: Column, words: Mapping[str, str]) -> Column:
    return F.coalesce(_letters(value).isin(*words), F.lit(False)) | value.isNull()


def _letters(value: Column) -> Column:
    """As :func:`conf.tables.consent_words.letters`."""
    return F.regexp_replace(F.lower(value), r"[^\p{L}\p{N}*]", "")
