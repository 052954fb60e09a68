"""Stage ``measure``: reads earlier offers and ``clean/``; leaves ``outcomes/``."""
