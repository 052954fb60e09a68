"""Features of customers: habits, interests, purchases over time, and the labels of training.

Reads order lines and customers up to ``as_of``; leaves one row per customer.
"""
