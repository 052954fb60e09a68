"""Stage ``catalogue``: reads ``clean/products``; leaves ``catalogue/``, which products are one."""
