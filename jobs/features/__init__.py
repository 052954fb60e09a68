"""Stage ``features``: reads ``clean/`` and ``catalogue/``; leaves ``features/``."""
