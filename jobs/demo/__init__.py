"""The demonstration CRM, laid out as a CRM would drop its exports.

Reads a public data package; leaves drop folders.
"""
