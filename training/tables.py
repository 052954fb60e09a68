"""The published tables, completed by the columns that the models of the registry declare."""

from __future__ import annotations

from conf.tables.customers import customer_scores
from conf.tables.published import Publication, publications
from conf.tables.table import Table
from training.registry import score_columns

CUSTOMER_SCORES: Table = customer_scores(score_columns())
PUBLICATIONS: tuple[Publication, ...] = publications(CUSTOMER_SCORES)
PUBLISHED: dict[str, Table] = {publication.table.name: publication.table for publication in PUBLICATIONS}
