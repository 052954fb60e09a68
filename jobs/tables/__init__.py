"""The tables of the lake, declared once: a module a layer, each table with its path, its stage and its columns.

Imports declarations of ``conf.tables`` and ``training.tables`` alone; reads and leaves nothing.
"""
