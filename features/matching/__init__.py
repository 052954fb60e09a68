"""Records of any two tables, or of one, that describe the same thing.

Reads Arrow tables of text columns; leaves pairs and clusters with a confidence.
"""
