"""Stage ``report``: reads all that a night published; leaves one page for people."""
