"""Candidates, ranking, policy, reasons and segments; pure."""
