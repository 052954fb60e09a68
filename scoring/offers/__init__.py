"""From candidates to every customer's list of offers with reasons.

Reads features and rankers; leaves ``next_best_offer`` rows.
"""
