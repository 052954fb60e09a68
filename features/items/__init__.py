"""Features of products, product types, coupons and stores.

Reads order lines, products and offers up to ``as_of``; leaves rows per item or pair of items.
"""
