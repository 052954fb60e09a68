"""Studies that a person reads: rules on who differs, and effects of treatments.

Reads labelled customers; leaves tables for the report.
"""
