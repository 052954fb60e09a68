"""Data sets, models, evaluation, tracking and promotion."""
