"""Stage ``publish``: reads ``scores/``; leaves the night in the score database."""
