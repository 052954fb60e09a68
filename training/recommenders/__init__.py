"""Classical recommenders over a purchase history, all with one interface: fit on a history, score blocks of users."""
