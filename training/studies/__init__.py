"""Studies that a person reads: rules on causes, and effects of treatments.

Reads labelled customers; leaves tables for the report.
"""
