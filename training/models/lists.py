"""List columns of customers as sparse matrices; n = rows, l = labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse


def label_matrix(types: pd.Series, values: pd.Series | None, dictionary: pd.Index) -> sparse.csr_matrix:
    """Spread lists of product types over the dictionary.

    Args:
        types: lists of product types, or None.
        values: lists of numbers, aligned; ones where it is None.
        dictionary: characteristics in the order of their index.

    Returns:
        (n, l) float32.
    """
    lists: pa.ListArray = pa.array(types, pa.list_(pa.string()))  # type: ignore[assignment]
    row = pc.list_parent_indices(lists).to_numpy()
    column = dictionary.get_indexer(pd.Index(lists.flatten().to_pandas(), dtype=dictionary.dtype))
    if values is None:
        value = np.ones(len(row))
    else:
        numbers: pa.ListArray = pa.array(values, pa.list_(pa.float64()))  # type: ignore[assignment]
        value = numbers.flatten().to_numpy(zero_copy_only=False)
    in_dictionary = column >= 0
    cells = (value[in_dictionary].astype("float32"), (row[in_dictionary], column[in_dictionary]))
    return sparse.csr_matrix(cells, shape=(len(types), len(dictionary)), dtype="float32")
