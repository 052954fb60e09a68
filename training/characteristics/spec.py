"""Characteristics: which product types a customer buys, by one network with an output for each."""

from __future__ import annotations

from training.characteristics.columns import DECLARED, NAME
from training.formats import KERAS_FILE, KERAS_PACKAGES
from training.spec import Format, ModelSpec

CHARACTERISTICS = ModelSpec(
    name=NAME,
    family="characteristics",
    title="Product characteristics",
    sets=("customers",),
    metric="ndcg@5",
    inputs=DECLARED,
    contenders="training.characteristics.contenders:contenders",
    weekly_contenders="training.characteristics.contenders:weekly_contenders",
    table="characteristic_recommendations",
    serves_challenger=True,
    formats=(Format("keras", KERAS_FILE, "training.characteristics.numpy_network:read", KERAS_PACKAGES),),
)
MODELS = (CHARACTERISTICS,)
