"""What customers will spend in the weeks to come.

Reads series of purchases; leaves an expected spend with an interval.
"""
