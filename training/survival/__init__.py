"""How long customers stay active, week by week.

Reads series of purchases; leaves survival curves.
"""
