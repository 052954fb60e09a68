"""Lists that two models serve together are judged as both serve them; leaks are looked for in each model's own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from jobs.train.gate_evaluation import Companion, GateEvaluation, gate_evaluation
from training.contenders import Contenders
from training.evaluation.fitted import FittedModel
from training.evaluation.gate import decide, faults
from training.rankers import offer_ranker

CUSTOMERS, TYPES = 200, 12
OWN = 6


class Reciting:
    """A model that predicts a column of the candidates."""

    def __init__(self, column: str, family: str, name: str = offer_ranker.NAME) -> None:
        self.column, self.meta = column, SimpleNamespace(family=family, name=name, inputs=(column,))

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        return frame[self.column].to_numpy()

    def to_bytes(self) -> dict[str, bytes]:
        return {"model": self.column.encode()}


def candidates() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Every customer bought the first types before and not the rest; a chance of their own decides what they buy."""
    rng = np.random.default_rng(1)
    chance = rng.beta(1, 3, CUSTOMERS * TYPES)
    new = np.tile(np.arange(TYPES) >= OWN, CUSTOMERS)
    frame = pd.DataFrame(
        {
            "customer_id": np.repeat([f"c{n:03d}" for n in range(CUSTOMERS)], TYPES),
            "product_type": np.tile([f"t{n:02d}" for n in range(TYPES)], CUSTOMERS),
            "pair_baskets_total": np.where(new, np.nan, 3.0),
            "chance": chance,
            "bought": rng.random(len(chance)) < chance,
            "vague": np.clip(chance + rng.normal(0, 0.3, len(chance)), 0, 1),
            "noise": 0.4 * rng.random(len(chance)),
        }
    )
    frame["of_repeats"] = np.where(new, 1.0, frame["vague"])  # knows repeats, and puts everything new before them
    frame["leaking"] = np.where(frame["bought"], 0.9, 0.1)
    rows = offer_ranker.rows(frame)
    return rows, rows.loc[rows["bought"], ["customer_id", "item"]], rows.loc[~new, ["customer_id", "item"]]


GATE, TRUTH, SEEN = candidates()
GOOD, POOR = Reciting("chance", "good", "discovery_ranker"), Reciting("noise", "poor", "discovery_ranker")


def held(column: str, companion: Reciting | None, champion: str | None = None) -> GateEvaluation:
    def evaluate(model: Any, companion: Any = None) -> Any:
        return offer_ranker.judge(model, GATE, TRUTH, SEEN, companion=companion)

    simple, challenger = FittedModel(Reciting("vague", "frequency")), FittedModel(Reciting(column, "trees"))  # type: ignore[arg-type]
    return gate_evaluation(
        Contenders(simple, challenger, evaluate),
        Reciting(champion, "old") if champion else None,  # type: ignore[arg-type]
        Companion(companion) if companion else None,  # type: ignore[arg-type]
    )


def decided(result: GateEvaluation) -> Any:
    return decide(
        result.challenger.by_customer, {n: e.by_customer for n, e in result.rivals.items()}, result.further, rounds=200
    )


def test_alone_everything_bears_its_bare_name():
    result = held("chance", None, "noise")
    assert list(result.methods("trees")) == ["trees (challenger)", "the champion", "frequency"]
    assert result.challenger is result.own
    assert decided(result).reason.startswith("promoted: beats the champion by ")


def test_with_a_companion_all_that_would_serve_is_judged_with_it():
    result = held("chance", GOOD, "noise")
    assert list(result.methods("trees")) == [
        "trees + discovery ranker (challenger)", "trees (challenger)", "the champion", "frequency + discovery ranker",
        "frequency",
    ]  # fmt: skip
    new = offer_ranker.is_new(GATE)
    for judged in (result.challenger, result.champion, *result.rivals.values()):
        assert judged.probability[new].tolist() == GATE.loc[new, "chance"].tolist()
    assert result.rivals["frequency + discovery ranker"].probability[~new].tolist() == GATE.loc[~new, "vague"].tolist()
    decision = decided(result)
    assert decision.promote
    assert decision.baseline == "frequency + discovery ranker"
    assert " beats frequency by " in decision.reason


def test_a_ranker_is_worth_what_it_serves_not_what_it_says_of_what_another_serves():
    """It orders repeats well and would put everything new before them: which nobody will see."""
    served, alone = held("of_repeats", GOOD), held("of_repeats", None)
    assert not decided(alone).promote
    assert served.challenger.by_customer.mean() > alone.challenger.by_customer.mean() + 0.1


def test_lists_that_a_companion_spoils_do_not_beat_simple_methods_alone():
    """As served it beats its baselines as served, which are spoilt just as much; its lists are worse all the same."""
    result = held("chance", POOR)
    decision = decided(result)
    assert not decision.promote
    assert "beats frequency + discovery ranker by +" in decision.reason
    assert "does not beat frequency by -" in decision.reason


def test_a_planted_leak_is_found_in_the_rankers_own_predictions():
    result = held("leaking", POOR)
    blurred = faults(result.challenger.probability, result.challenger.truth, ["leaking"], ["leaking"])
    assert blurred == [], "the lists served hide it"
    (fault,) = faults(result.own.probability, result.own.truth, ["leaking"], ["leaking"])
    assert "too good to be true" in fault
    assert not decide(
        result.challenger.by_customer, {n: e.by_customer for n, e in result.rivals.items()}, result.further, [fault]
    ).promote
