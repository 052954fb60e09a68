"""Networks of the night: fitted with Keras, resumed after a kill, applied in NumPy."""
