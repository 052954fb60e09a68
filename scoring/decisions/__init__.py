"""Decisions for the whole base: reads values of customers and actions, with rules.

Leaves who is contacted with what, what the limits cost, and the reason for every pair that was considered.
"""
