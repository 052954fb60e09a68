"""Segments by rules, values and likeness, and the files made of them.

Reads scored customers; leaves members and rows of files.
"""
