"""Every network learns what is there, and after a kill goes on to the very weights it would have had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.peer_networks.examples import ExampleWindows, Side, rewound
from bench.peer_networks.hybrid import HybridConfig, hybrid
from bench.peer_networks.self_attention import SelfAttentionConfig, self_attention
from bench.peer_networks.two_tower import TwoTowerConfig, two_tower
from bench.peers.history import History
from bench.peers.recommender import Recommender
from conf.settings.schema import NetworkTraining
from training.networks import loop
from training.networks.loop import Checkpoint

restored = loop._restored
WINDOWS = ExampleWindows(count=3)
Fit = Callable[..., tuple[Recommender, dict[str, list[float]]]]


def plain(batch: int, epochs: int) -> NetworkTraining:
    return NetworkTraining(batch=batch, epochs=epochs, learning_rate=0.02)


def fit_hybrid(
    past: History, side: Side, checkpoint: Checkpoint | None = None, windows: ExampleWindows = WINDOWS
) -> Any:
    config = HybridConfig(size=8, hidden=16, popular=8, sampled=8, windows=windows, training=plain(32, 8))
    return hybrid(past, side, config, checkpoint)


def fit_two_tower(
    past: History, side: Side, checkpoint: Checkpoint | None = None, windows: ExampleWindows = WINDOWS
) -> Any:
    config = TwoTowerConfig(size=8, hidden=16, bag=12, windows=windows, training=plain(64, 8))
    return two_tower(past, side, config, checkpoint)


def fit_self_attention(past: History, side: Side, checkpoint: Checkpoint | None = None) -> Any:
    config = SelfAttentionConfig(size=8, blocks=1, baskets=12, width=6, training=plain(20, 8))
    return self_attention(past, config, checkpoint)


FITS = {"hybrid": fit_hybrid, "two_tower": fit_two_tower, "self_attention": fit_self_attention}


@pytest.mark.parametrize("name", FITS)
def test_a_network_learns_resumes_and_repeats(
    name: str, past: History, side: Side, tmp_path: Path, killed_after: Callable[..., None]
) -> None:
    fit = FITS[name]
    whole, curves = fit(past, side)
    scores = whole.scores(np.arange(20))
    own = np.array([scores[user, 12 * (user % 2) : 12 * (user % 2) + 12].mean() for user in range(20)])
    other = np.array([scores[user, 12 - 12 * (user % 2) :][:12].mean() for user in range(20)])
    assert (own > other).mean() > 0.9
    assert curves[loop.LOSS][-1] < curves[loop.LOSS][0]

    checkpoint = Checkpoint(tmp_path, name, "")
    with pytest.raises(KeyboardInterrupt):
        killed_after(3, lambda: fit(past, side, checkpoint))
    assert (tmp_path / f"{name}.npz").exists()
    resumed, again = fit(past, side, checkpoint)
    assert again[loop.LOSS] == curves[loop.LOSS]
    assert resumed.scores(np.arange(20)).tobytes() == scores.tobytes()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["hybrid", "two_tower"])
def test_the_held_out_window_says_when_to_stop_and_is_not_learnt_from(name: str, past: History, side: Side) -> None:
    fit = FITS[name]
    held = ExampleWindows(count=2, held_out=True)
    _, curves = fit(past, side, windows=held)
    assert all(0 < score <= 1 for score in curves[loop.SCORE])
    until, _ = rewound(past, held.horizon, held.horizon)
    _, without = fit(until, side, windows=replace(held, held_out=False))
    assert curves[loop.LOSS] == without[loop.LOSS][: len(curves[loop.LOSS])]


@pytest.mark.parametrize("name", FITS)
def test_the_state_of_other_purchases_is_not_taken_up(
    name: str,
    past: History,
    side: Side,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    killed_after: Callable[..., None],
) -> None:
    """One purchase a day earlier, which no label and no product shows."""
    with pytest.raises(KeyboardInterrupt):
        killed_after(2, lambda: FITS[name](past, side, Checkpoint(tmp_path, name, "")))
    age = past.age.copy()
    age[np.argmax(age)] += 1
    other = replace(past, age=age)
    started: list[int] = []
    monkeypatch.setattr(loop, "_restored", lambda *given: started.append(restored(*given) is None))
    _, curves = FITS[name](other, side, Checkpoint(tmp_path, name, ""))
    assert started == [True]
    assert len(curves[loop.LOSS]) == 8
