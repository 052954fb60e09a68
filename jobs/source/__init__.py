"""``nbo source``: drafts the settings of a new source by looking at its files, and tries settings on them.

Reads the CRM's exports; leaves YAML files for a person to read, and a report in plain words.
"""
