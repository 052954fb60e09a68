"""What offers brought, beside what was expected of them and beside simpler methods.

Reads past offers and purchases; leaves figures with intervals.
"""
