"""Stage ``validate``: reads ``raw/``; leaves ``clean/``, ``quarantine/`` and ``quality/``."""
