"""How models are judged: splits by time, metrics, intervals, the leakage check and the promotion gate.

Reads predictions and truths; leaves figures and decisions.
"""
