"""Segments by rules, by values and by similarity to a seed, and the rows of their files.

Reads scored customers and offers; leaves members and rows of files.
"""
