from __future__ import annotations

import pytest

from features.segments.names import AVERAGE, DIRECTIONS, WORDS, names, portrait


def centre(**traits: float) -> dict[str, float]:
    return dict.fromkeys(WORDS, 0.0) | traits


def test_names_follow_what_stands_out():
    assert names(
        [
            centre(frequency=1.2, spend=1.1, recency=-0.6),
            centre(discount=1.5),
            centre(recency=0.9, trend=-1.2),
            centre(recency=1.4, spend=-1.5, frequency=-1.3),
            centre(spend=0.1, trend=0.05),
        ]
    ) == ["Frequent big spenders", "Discount hunters", "Slipping away", "Gone quiet", AVERAGE]


def test_the_clearer_case_takes_the_name_and_names_stay_unique():
    result = names([centre(discount=0.8), centre(discount=1.6), centre(discount=0.9)])
    assert result[1] == "Discount hunters"
    assert len(set(result)) == 3


def test_as_many_names_as_segments_may_ask_for():
    assert len(set(names([centre(discount=1.0)] * len(DIRECTIONS)))) == len(DIRECTIONS)
    with pytest.raises(ValueError, match=f"{len(DIRECTIONS) + 1} segments need as many names"):
        names([centre()] * (len(DIRECTIONS) + 1))


def test_a_portrait_names_the_strongest_traits_with_the_average_beside():
    means = dict.fromkeys(WORDS, 0.0) | {"spend": 812.4, "frequency": 31.24, "recency": 2.0, "discount": 0.2}
    overall = dict.fromkeys(WORDS, 0.0) | {"spend": 402.0, "frequency": 14.1, "recency": 21.0, "discount": 0.15}
    text = portrait(centre(spend=1.0, frequency=1.3, recency=-0.7, discount=0.2), means, overall)
    assert text == (
        "Above average: 31.2 baskets in 84 days (average 14.1), 812 spent in 84 days (average 402). "
        "Below average: 2 days since the last basket (average 21)."
    )
    assert portrait(centre(), means, overall) == "Close to the average customer in everything."
