"""The score database, SQLite or PostgreSQL.

Reads Arrow tables; leaves rows, views and comments, a night in one transaction.
"""
