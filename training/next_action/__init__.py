"""The next action of a customer, and when.

Reads series of visits; leaves probabilities of actions by day.
"""
