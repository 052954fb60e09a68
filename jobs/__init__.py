"""Stages: read tables, call a pure function, publish tables; the nbo command line."""
