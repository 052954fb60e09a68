"""Content tags: items described like those the user took, whoever else took them.

Reference: Pazzani and Billsus (2007), "Content-Based Recommendation Systems", in The Adaptive Web, LNCS 4321.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from bench.peers.history import History
from bench.peers.recommender import Recommender


def content_tags(past: History, texts: Sequence[str], half_life: float | None = None) -> Recommender:
    """Score an item by the cosine between its tags and those of what the user bought, weighted by TF-IDF.

    Args:
        past: the history.
        texts: (i,) each item's words: its name and what it belongs to. An item without words scores 0.
        half_life: days after which a purchase counts half; None: all count alike.
    """
    tags = TfidfVectorizer(token_pattern=r"\w+", dtype=np.float32).fit_transform(texts)
    profile = normalize(past.faded(half_life).log1p() @ tags)
    return Recommender("content tags", sparse.csr_matrix(profile), tags.T.tocsr())
