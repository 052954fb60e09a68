"""What an expert says of the characteristics in each stage of the funnel, blended with a model.

n = contacts, l = characteristics. The rules stand in ``conf/characteristics_prior.yml``; they count for less the more
purchases of a contact there are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from conf.settings.schema import PriorRule

FIRST, SALE, RETENTION = "first contact", "sale", "retention"
STAGES = (FIRST, SALE, RETENTION)
#: baskets that weigh as much as the expert
_EVIDENCE = 2.0


def prior_matrix(rules: Sequence[PriorRule], dictionary: Sequence[str]) -> np.ndarray:
    """Return what the rules add to the log-odds of each characteristic in each stage (3, l); rules add up."""
    matrix = np.zeros((len(STAGES), len(dictionary)))
    names = pd.Series(list(dictionary), dtype=str)
    for rule in rules:
        hit = names.str.fullmatch(rule.characteristic).to_numpy(dtype=bool)
        for number, name in enumerate(STAGES):
            if rule.stage in (name, "any"):
                matrix[number, hit] += rule.log_odds
    return matrix


def prior_log_odds(matrix: np.ndarray, stages: pd.Series, baskets: np.ndarray) -> np.ndarray:
    """Return what is added to the log-odds (n, l): the whole of the rules for who never bought, half after 2 baskets.

    Args:
        matrix: result of :func:`prior_matrix`.
        stages: (n,) names; an unknown one is a first contact.
        baskets: (n,) baskets ever; NaN counts as none.
    """
    place = pd.Index(STAGES).get_indexer(pd.Index(stages))
    weight = _EVIDENCE / (_EVIDENCE + np.nan_to_num(baskets))
    log_odds: np.ndarray = matrix[np.maximum(place, 0)] * weight[:, None]
    return log_odds
