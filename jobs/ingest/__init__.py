"""Stage ``ingest``: reads the CRM's exports; leaves ``raw/``."""
