"""Columns that the characteristic network may take."""

from __future__ import annotations

from conf.tables.features import PROFILE

NAME = "characteristics"
#: recommendations that count
K = 5
#: list columns of an example: product types the customer ever bought, and baskets with each
TYPES, RECENT, TOTAL = "types", "baskets_84", "baskets_total"
LISTS = (TYPES, "type_" + RECENT, "type_" + TOTAL)
#: what the expert's prior looks at
STAGE, BASKETS = "stage", "baskets_total"
NUMBERS: tuple[str, ...] = tuple(column.name for column in PROFILE.columns if column.type in ("int", "long", "double"))
CATEGORIES = (STAGE, "top_department", "age_band", "income_band", "household_size")
#: fields of a customer's organisation, where the source has organisations
ORGANIZATION = ("organization_industry", "organization_size_band", "organization_region")
#: columns a model may take
DECLARED = (*NUMBERS, *CATEGORIES, *ORGANIZATION, *LISTS)
