"""What a link between two titles rests on, in words."""

from __future__ import annotations

#: flags of a link
FUZZY, OMITTED_WORD, OMITTED_NUMBER, SHARED_CODE, OTHER_WORDS = 1, 4, 8, 16, 32
CENTRE = "stands for its cluster"
NO_TITLE = "the source has no title for it"
BY_HAND = "decided by hand"
_WORDS = {
    SHARED_CODE: "the same rare code",
    FUZZY: "a misspelling or inflection",
    OMITTED_WORD: "words left out",
    OMITTED_NUMBER: "a number or size left out",
    OTHER_WORDS: "described in other words",
}


def reason(flags: int) -> str:
    """Return what a link with ``flags`` rests on.

    >>> reason(0), reason(SHARED_CODE | OMITTED_WORD)
    ('the same words, numbers and codes', 'the same rare code; words left out')
    """
    return "; ".join(text for flag, text in _WORDS.items() if flags & flag) or "the same words, numbers and codes"


def all_reasons() -> list[tuple[int, str]]:
    """Return every possible value of the flags beside its text."""
    return [(flags, reason(flags)) for flags in range(64)]
