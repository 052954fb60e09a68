"""One catalogue: products written differently are found, linked and given one stable cluster."""
