"""What comes to the gate of the characteristics: the network, personal frequency and popularity."""

from __future__ import annotations

from conf.settings.schema import Models
from training.characteristics import baselines
from training.characteristics.architectures import Study, study
from training.characteristics.columns import NAME, K
from training.characteristics.evaluate import judge
from training.characteristics.examples import truth_of
from training.characteristics.fit import CharacteristicsConfig, Lessons, fit, last_fit, lessons
from training.contenders import LEAST_HELD_OUT, Contenders, NotEnoughData
from training.evaluation.fitted import FittedModel
from training.evaluation.leakage import split
from training.networks.loop import Checkpoint
from training.sets import TrainingSets


def contenders(sets: TrainingSets, models: Models) -> Contenders:
    """Fit the configured network, personal frequency and popularity."""
    return _contenders(sets, models, compares_architectures=False)


def weekly_contenders(sets: TrainingSets, models: Models) -> Contenders:
    """Fit the network whose architecture ranks the validation window best, and the baselines."""
    return _contenders(sets, models, compares_architectures=True)


def _contenders(sets: TrainingSets, models: Models, compares_architectures: bool) -> Contenders:
    windows = sets.windows
    train, validation, gate = (
        sets.read("customers", days) for days in (windows.training, windows.validation, windows.gate)
    )
    dictionary = sets.read("types", windows.training[0])["product_type"].tolist()
    if len(dictionary) < K:
        raise NotEnoughData(
            f"{len(dictionary)} product type(s) have {models.characteristic_min_buyers} buyers or more; {K} are needed"
        )
    if truth_of(gate)["customer_id"].nunique() < LEAST_HELD_OUT:
        raise NotEnoughData("hardly anyone buys a characteristic in the gate window")
    start = baselines.baseline(train, validation, dictionary, models.seed)
    popular = baselines.popularity(validation, dictionary)
    given = lessons(train, validation, dictionary, start, models.seed)
    fitted, study = _fitted(given, sets, models, compares_architectures)
    return Contenders(
        start,
        fitted,
        lambda model: judge(model, gate, dictionary, popular.model),
        [popular],
        study=study,
        split=split(train, gate, windows.horizon.days, validation),
    )


def _fitted(
    given: Lessons, sets: TrainingSets, models: Models, compares_architectures: bool
) -> tuple[FittedModel, Study | None]:
    """Return the configured network or, after a study of architectures, the chosen one and the study."""
    config = CharacteristicsConfig(prior=tuple(models.prior.rules))
    config = config.configured(models.network, models.max_epochs, models.seed)
    checkpoint = Checkpoint(sets.checkpoints, NAME, "")
    if not compares_architectures:
        return fit(given, config, checkpoint), None
    compared = study(given, config, models.bootstrap_rounds, checkpoint)
    chosen = compared.chosen
    return last_fit(given, compared.configs[chosen], compared.fits[chosen], checkpoint), compared
