"""The right to be forgotten: takes a customer out of every layer, table and file, and keeps out who was taken out.

Reads and rewrites the lake, the database, the outbox and the reports of an installation; leaves a receipt.
"""
