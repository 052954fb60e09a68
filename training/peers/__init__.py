"""Peers: methods that benches compare with what the night runs. Nothing of the night imports them."""
