"""Simple rankings of characteristics for the bench; n = customers, l = characteristics."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.cluster import KMeans

from features.segments.traits import TRAITS
from training.characteristics.fit import NUMBERS, Lessons, files_of, with_thresholds
from training.characteristics.keras_training import served
from training.evaluation.fitted import FittedModel
from training.models.lists import label_matrix

#: segments, and customers of all that weigh as much as the members of one
_SEGMENTS, _SHRINK = 8, 20.0
_TINY = 1e-6


def regressions(given: Lessons) -> FittedModel:
    """Return the logistic regressions, one per characteristic, that the last fit of the network begins as."""
    family = "logistic regressions"
    files = files_of(served(given.begun_on_both.model()), family, given.dictionary, NUMBERS, given.categories)
    return FittedModel(with_thresholds(files, given.validation))


def by_segment(customers: pd.DataFrame, asked: pd.DataFrame, dictionary: Sequence[str], seed: int) -> np.ndarray:
    """Return the share of buyers (n, l) of each characteristic in the segment of each customer asked about.

    Segments are k-means on the traits that the night's segments rest on, found in the rows that may be learnt from.
    Shares are shrunk to those of all: a segment without members has those.

    Args:
        customers: rows of ``examples`` with the list ``bought``, of windows that ended before.
        asked: rows to forecast.
        dictionary: characteristics in the order of their index.
        seed: of the segments.
    """
    traits = _traits(customers)
    mean, deviation = np.nanmean(traits, axis=0), np.maximum(np.nanstd(traits, axis=0), _TINY)
    learnt, placed = (np.nan_to_num((part - mean) / deviation) for part in (traits, _traits(asked)))
    clusters = KMeans(min(_SEGMENTS, len(learnt)), n_init=3, random_state=seed).fit(learnt)
    bought = label_matrix(customers["bought"], None, pd.Index(dictionary))
    member = sparse.csr_matrix((np.ones(len(customers)), (clusters.labels_, np.arange(len(customers)))))
    of_all = np.asarray(bought.mean(axis=0)).ravel()
    shares = (np.asarray((member @ bought).todense()) + _SHRINK * of_all) / (member.sum(axis=1).A + _SHRINK)
    return np.asarray(shares[clusters.predict(placed)])


def _traits(frame: pd.DataFrame) -> np.ndarray:
    """Return the traits of the night's segments (n, t), logarithms where those are taken."""
    cells = ", ".join(f"({value})::double as {trait}" for trait, (value, _) in TRAITS.items())
    with duckdb.connect() as engine:
        engine.register("profile", frame[list(NUMBERS)])
        traits = engine.sql(f"select {cells} from profile").df()
    values = traits.astype("float64").to_numpy(copy=True)
    logged = [place for place, (_, log) in enumerate(TRAITS.values()) if log]
    values[:, logged] = np.log1p(np.maximum(values[:, logged], 0))
    return values
