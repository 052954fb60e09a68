"""The lake: versioned Parquet tables that a stage publishes by one atomic write.

Reads and writes files under the lake's root; imports no stage.
"""
