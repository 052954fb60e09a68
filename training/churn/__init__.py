"""Who leaves: no purchase in the horizon after ``as_of``.

Reads series of purchases; leaves a probability a customer.
"""
