"""From a source's raw exports to the canonical CRM model.

Reads raw rows and a source's mapping; leaves canonical rows, merged by key.
"""
