"""Customer segments by hierarchical k-means, held still from night to night.

Reads features of customers; leaves a segment a customer, with names and portraits.
"""
