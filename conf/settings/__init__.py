"""Settings: the typed schema of every YAML file under ``conf/``, and its loader.

Reads YAML; leaves frozen, validated settings objects.
"""
