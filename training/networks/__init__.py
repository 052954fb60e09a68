"""Networks over a purchase history: fitted with Keras, resumed after a kill, scored in NumPy by blocks of users."""
