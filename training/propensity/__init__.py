"""Configured labels: what a customer will do, is, or will spend in a scope.

Reads profiles and label histories; leaves a probability or an amount.
"""
