"""Overdue: an absence that is longer than the customer's own inter-purchase times.

Reads purchase series; leaves the limit of a customer's own habit and the chance that the absence outlasts it.
"""
