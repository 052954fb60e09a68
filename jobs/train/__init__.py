"""Stage ``train``: reads ``clean/`` at past days; leaves champions in MLflow and ``models/``."""
