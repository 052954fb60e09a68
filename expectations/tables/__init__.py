"""One Great Expectations suite a canonical table.

Reads declarations of ``conf.tables``; leaves lists of rules that ``expectations.checkpoint`` runs.
"""
