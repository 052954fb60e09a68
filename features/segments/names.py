"""Names and portraits of segments in a marketer's words, from what sets each centre apart."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

#: trait -> words for its value, in the units of ``PROFILE``
WORDS = {
    "frequency": "{:,.1f} baskets in 84 days",
    "spend": "{:,.0f} spent in 84 days",
    "basket_value": "{:,.1f} a basket",
    "recency": "{:,.0f} days since the last basket",
    "discount": "{:.1%} of the list value off",
    "private_brand": "{:.1%} of the spend on own brands",
    "trend": "{:+.2f} in the trend of the last 28 days",
}
#: name -> the direction from the average customer that it stands for
DIRECTIONS: dict[str, dict[str, float]] = {
    "Frequent big spenders": {"frequency": 1, "spend": 1, "recency": -0.5},
    "Big-basket shoppers": {"basket_value": 1, "spend": 1},
    "Big baskets, few visits": {"basket_value": 1, "frequency": -1},
    "Small baskets, many visits": {"basket_value": -1, "frequency": 1},
    "Light shoppers": {"spend": -1, "frequency": -0.5, "basket_value": -0.5},
    "Discount hunters": {"discount": 1},
    "Full-price buyers": {"discount": -1},
    "Own-brand savers": {"private_brand": 1},
    "Brand loyalists": {"private_brand": -1},
    "Slipping away": {"recency": 1, "trend": -1},
    "Gone quiet": {"recency": 1, "spend": -1, "frequency": -1},
    "Coming more often": {"trend": 1},
}
AVERAGE = "Everyday regulars"
#: distances, in standard deviations: less in every direction is average; less in a trait is not worth a word
FROM_AVERAGE = 0.3
WORTH_A_WORD = 0.25


def names(centres: Sequence[Mapping[str, float]], taken: Collection[str] = ()) -> list[str]:
    """Give each centre the free name whose direction it lies farthest along; the clearest case chooses first.

    Args:
        centres: trait -> distance from the average customer in standard deviations.
        taken: names that other segments bear.

    Returns:
        One name per centre, all different.

    Raises:
        ValueError: there are more centres than names.
    """
    if len(centres) + len(taken) > len(DIRECTIONS):
        raise ValueError(f"{len(centres)} segments need as many names; there are {len(DIRECTIONS)}")
    along = [
        (round(_along(centre, direction), 6), -number, name)
        for number, centre in enumerate(centres)
        for name, direction in DIRECTIONS.items()
    ]
    along += [(FROM_AVERAGE, -number, AVERAGE) for number in range(len(centres))]
    chosen: dict[int, str] = {}
    for _, number, name in sorted(along, key=lambda item: (-item[0], -item[1], item[2])):
        if -number not in chosen and name not in chosen.values() and name not in taken:
            chosen[-number] = name
    return [chosen[number] for number in range(len(centres))]


def portrait(
    centre: Mapping[str, float],
    means: Mapping[str, float],
    overall: Mapping[str, float],
    margins: Mapping[str, float] | None = None,
) -> str:
    """Say in a sentence or two what is over- and under-represented in a segment.

    Args:
        centre: trait -> distance from the average customer in standard deviations.
        means: trait -> mean of the members, in the units of ``PROFILE``.
        overall: trait -> mean of all customers that are not cold.
        margins: trait -> half the 95 % interval of the members' mean; left out where None.
    """
    clear = sorted((t for t in WORDS if abs(centre[t]) >= WORTH_A_WORD), key=lambda t: -abs(round(centre[t], 6)))
    sentences = []
    for word, side in (("Above", 1), ("Below", -1)):
        parts = [
            f"{_in_words(trait, means[trait], margins)} (average {WORDS[trait].format(overall[trait]).split(' ')[0]})"
            for trait in clear
            if centre[trait] * side > 0
        ]
        if parts:
            sentences.append(f"{word} average: {', '.join(parts[:4])}.")
    return " ".join(sentences) or "Close to the average customer in everything."


def _in_words(trait: str, mean: float, margins: Mapping[str, float] | None) -> str:
    """Put a mean and its margin into the trait's words: ``31.2 ± 0.8 baskets in 84 days``."""
    number, _, rest = WORDS[trait].format(mean).partition(" ")
    if margins is None:
        return f"{number} {rest}"
    margin = WORDS[trait].format(margins[trait]).partition(" ")[0].lstrip("+")
    return f"{number} ± {margin} {rest}"


def _along(centre: Mapping[str, float], direction: Mapping[str, float]) -> float:
    length = math.sqrt(sum(weight**2 for weight in direction.values()))
    return sum(centre[trait] * weight for trait, weight in direction.items()) / length
