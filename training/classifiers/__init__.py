"""Classifiers that several families of models fit: linear ones, gradient-boosted trees, and their calibration.

Reads frames of inputs and a label; leaves fitted models.
"""
