"""Days to the next purchase of an active customer.

Reads purchase series and visits; leaves the median of a log-normal distribution of the days.
"""
