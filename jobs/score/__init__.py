"""Stage ``score``: reads ``features/`` and the night's champions; leaves ``scores/``."""
