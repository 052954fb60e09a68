"""Formats of model files that several families share."""

from __future__ import annotations

from training.spec import Format

LINEAR = Format("sklearn", "model.skops", "training.models.tabular:read_linear", ("scikit-learn", "skops", "numpy"))
TREES = Format("lightgbm", "model.txt", "training.models.tabular:read_trees", ("lightgbm", "numpy"))
NETWORK = Format("convolution", "model.npz", "training.networks.convolution:read", ("scipy", "pandas", "numpy"))
BLEND = Format(
    "blend",
    "members.zip",
    "training.models.blends:read",
    ("scikit-learn", "skops", "lightgbm", "scipy", "pandas", "numpy"),
)
#: of every network of Keras; the families that bring one differ in ``architecture`` and reader
KERAS_FILE, KERAS_PACKAGES = "model.keras", ("keras", "tensorflow", "numpy")
SHARED = (LINEAR, TREES, NETWORK, BLEND)
