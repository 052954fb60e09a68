"""The network that recommends product characteristics to a contact.

Reads profiles and purchase histories; leaves a probability per characteristic.
"""
