"""What offers brought, against what was expected of them and against simpler methods.

Reads past offers and purchases; leaves figures with intervals.
"""
