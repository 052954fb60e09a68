"""Turns one JSON array into JSON Lines, an object at a time: memory is that of the largest object."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from conf.errors import DataError

_BLANK = " \t\r\n"
_DECODER = json.JSONDecoder()


def array_to_lines(name: str, chunks: Iterator[str], records: str | None, target: Path, longest: int) -> int:
    """Write each element of the array in a text to a line of its own, as it stands there.

    Args:
        name: of the file, for messages.
        chunks: the text.
        records: key of the array where an object is around it; None: the text is the array.
        target: file to write.
        longest: characters an element may have.

    Returns:
        The number of elements.

    Raises:
        DataError: the text is no such array, or is damaged.
    """
    text = _Reader(name, chunks, longest)
    if records is None and text.peek() == "{":
        keys = text.first_keys()
        raise DataError(
            f"{name}: is one JSON object, not an array; name the key of its array by `records` of the export "
            f"(it begins with {keys})"
        )
    if records is not None:
        text.enter(records)
    text.take("[")
    rows = 0
    with target.open("w", encoding="utf-8", newline="") as lines:
        if text.peek() == "]":
            return 0
        while True:
            lines.write(text.value().replace("\n", " ").replace("\r", " ") + "\n")
            rows += 1
            if text.peek() == "]":
                break
            text.take(",")
    if records is None:
        text.take("]")
        if text.peek():
            raise text.damaged("something follows the array")
    return rows


class _Reader:
    """A text of which only the part that is being read is kept."""

    def __init__(self, name: str, chunks: Iterator[str], longest: int) -> None:
        self.name, self.chunks, self.longest = name, chunks, longest
        self.text, self.place, self.passed = "", 0, 0

    def peek(self) -> str:
        """Return the next character that is no blank; empty at the end."""
        while True:
            while self.place < len(self.text) and self.text[self.place] in _BLANK:
                self.place += 1
            if self.place < len(self.text):
                return self.text[self.place]
            if not self._more():
                return ""

    def take(self, sign: str) -> None:
        """Go past one character, which must be ``sign``."""
        if self.peek() != sign:
            raise self.damaged(f"expected {sign}")
        self.place += 1

    def value(self) -> str:
        """Return the next value as it stands in the text."""
        self.peek()
        while True:
            try:
                _, end = _DECODER.raw_decode(self.text, self.place)
            except RecursionError:
                raise self.damaged("values are nested too deep") from None
            except ValueError:
                end = len(self.text)
            if end < len(self.text):  # a number at the end of a chunk may go on
                value, self.place = self.text[self.place : end], end
                return value
            if len(self.text) - self.place > self.longest:
                raise self.damaged(f"no value ends within {self.longest:,} characters")
            if not self._more():
                raise self.damaged("a value is cut off or is no JSON")

    def enter(self, key: str) -> None:
        """Go to the value of ``key`` in the object that the text is."""
        self.take("{")
        while self.peek() == '"':
            value = json.loads(self.value())
            self.take(":")
            if value == key:
                return
            self.value()
            if self.peek() == ",":
                self.take(",")
        raise DataError(f"{self.name}: has no key {key!r} at its top; mend `records` of the export")

    def first_keys(self) -> str:
        """Return the first key of an object, which is a name and no data."""
        self.take("{")
        return self.value()[:60] if self.peek() == '"' else "no key"

    def damaged(self, what: str) -> DataError:
        """Return the error of a text that is no JSON, with the place."""
        place = self.passed + self.place
        return DataError(f"{self.name}: is no whole JSON array: {what} at character {place:,}; ask for it again")

    def _more(self) -> bool:
        chunk = next(self.chunks, None)
        if chunk is None:
            return False
        self.passed += self.place
        self.text, self.place = self.text[self.place :] + chunk, 0
        return True
