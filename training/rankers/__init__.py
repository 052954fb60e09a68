"""Rankers of product types and coupons.

Reads candidates of customers; leaves the probability of a purchase or a redemption.
"""
