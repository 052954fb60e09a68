"""What a night says of each customer, and in which words.

Reads features and models; leaves customer scores, propensities and next actions.
"""
