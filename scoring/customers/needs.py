"""Books of needs: those of the source, or made from its products; and who bought what answers a need.

Categories have ``need_category_id`` and ``name``; needs ``need_id``, ``name`` and ``need_category_id``; links
``characteristic`` (a product type) and ``need_id``. Everything is DuckDB over Arrow, O(products) and O(affinity).
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads
from scipy import sparse

_OFFERED = "from products where offerable and product_type is not null"
#: category is the second level of a source's path, and department the first; ties go to the first by the alphabet
_COUNTED = f"""
    select product_type as characteristic, coalesce('category:' || category, 'department:' || department) as need_id,
           coalesce(category, department) as name, 'department:' || department as need_category_id, department,
           count(*) as products
    {_OFFERED} and coalesce(category, department) is not null group by all"""
_MAIN_NEED = """
    select characteristic, need_id from counted group by characteristic, need_id
    qualify row_number() over (partition by characteristic order by sum(products) desc, need_id) = 1"""
_MAIN_CATEGORY = """
    select need_id, name, need_category_id from counted group by need_id, name, need_category_id
    qualify row_number() over (partition by need_id order by need_category_id is null, sum(products) desc,
                                need_category_id) = 1"""


@dataclass(frozen=True)
class Books:
    """Categories, needs and links of one origin (source or derived), each sorted by its key."""

    origin: str
    categories: pa.Table
    needs: pa.Table
    links: pa.Table


def derived_books(products: pads.Dataset | pa.Table) -> Books:
    """Make the books from what products are: a need is a category of theirs, its category a department.

    A product type answers the need of most of its products, and a need belongs to the department of most of them.
    Where products have no category their department is the need.

    Args:
        products: ``PRODUCTS``; those that may not be offered are left out.
    """
    with duckdb.connect() as engine:
        engine.register("products", products)
        engine.execute(f"create temp table counted as {_COUNTED}")
        engine.execute(f"create temp table links as {_MAIN_NEED}")
        engine.execute(f"create temp table needs as select * from ({_MAIN_CATEGORY}) semi join links using (need_id)")
        categories = (
            "select distinct need_category_id, department as name from counted semi join needs using (need_category_id)"
        )
        return Books(
            "derived",
            engine.sql(f"{categories} order by 1").to_arrow_table(),
            engine.sql("select need_id, name, need_category_id from needs order by 1").to_arrow_table(),
            engine.sql("select characteristic, need_id from links order by 1").to_arrow_table(),
        )


def source_books(
    categories: pads.Dataset | pa.Table, needs: pads.Dataset | pa.Table, links: pads.Dataset | pa.Table
) -> Books:
    """Return the books as the source has them, so that all that is referred to is there.

    A newer delivery may have dropped what an older one refers to: a need then loses its category, and a link to a need
    that is gone goes too.

    Args:
        categories: ``NEED_CATEGORIES`` of the clean layer.
        needs: ``NEEDS``.
        links: ``CHARACTERISTIC_NEEDS``.
    """
    with duckdb.connect() as engine:
        for name, table in (("categories", categories), ("needs", needs), ("links", links)):
            engine.register(name, table)
        held = "left join categories on categories.need_category_id = needs.need_category_id"
        return Books(
            "source",
            engine.sql("select need_category_id, name from categories order by 1").to_arrow_table(),
            engine.sql(
                f"select need_id, needs.name, categories.need_category_id from needs {held} order by 1"
            ).to_arrow_table(),
            engine.sql(
                "select characteristic, need_id from links semi join needs using (need_id) order by 1, 2"
            ).to_arrow_table(),
        )


def characteristics(products: pads.Dataset | pa.Table, dictionary: pa.Table, books: Books) -> pa.Table:
    """List the characteristics: types that are offered, that the model's dictionary has, and that a need names.

    Args:
        products: ``PRODUCTS``.
        dictionary: ``characteristic`` and ``dictionary_index`` of the model.
        books: needs and links.

    Returns:
        ``characteristic``, ``need_number``, ``dictionary_index``, ``need_id``, ``need_category_id``; a row for each
        need of a characteristic, one where it has none.
    """
    with duckdb.connect() as engine:
        for name, table in (("products", products), ("dictionary", dictionary), ("needs", books.needs)):
            engine.register(name, table)
        engine.register("links", books.links)
        return engine.sql(f"""
            with listed as (select product_type as characteristic {_OFFERED}
                            union select characteristic from dictionary union select characteristic from links)
            select characteristic, row_number() over (partition by characteristic order by need_id) as need_number,
                   dictionary_index, need_id, need_category_id
            from listed left join dictionary using (characteristic) left join links using (characteristic)
                 left join needs using (need_id)
            order by 1, 2""").to_arrow_table()  # fmt: skip


def needs_met(affinity: pads.Dataset | pa.Table, books: Books, keys: np.ndarray) -> sparse.csr_matrix:
    """Mark the needs that customers bought for in the last 84 days.

    Args:
        affinity: ``AFFINITY``.
        books: needs and links.
        keys: of the customers (n,).

    Returns:
        1 where a customer bought a product type that answers the need (n, g), needs in the order of the book.
    """
    places = pa.table(
        [pa.array(keys, pa.string()), pa.array(range(len(keys)), pa.int64())], names=["customer_id", "place"]
    )
    with duckdb.connect() as engine:
        for name, table in (("affinity", affinity), ("places", places), ("needs", books.needs), ("links", books.links)):
            engine.register(name, table)
        needs = engine.sql("""
            with numbered as (select need_id, row_number() over (order by need_id) - 1 as number from needs)
            select distinct place, number from affinity join places using (customer_id)
            join links on links.characteristic = affinity.product_type join numbered using (need_id)
            where baskets_84 > 0""").fetchnumpy()
    cells = np.ones(len(needs["place"]), dtype="float32"), (needs["place"], needs["number"])
    return sparse.csr_matrix(cells, shape=(len(keys), books.needs.num_rows))
