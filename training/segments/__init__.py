"""Look-alikes of a segment's members.

Reads features of customers; leaves a likeness a customer.
"""
