"""What several stages read of the night in the same way: calendar, suitability, repeats, the newest study.

Reads published tables through the lake; leaves nothing. Imports no stage.
"""
