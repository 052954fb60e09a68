"""Notices text that is in another encoding than declared, where decoding alone would not fail.

In an encoding of one byte a character, such as cp1251, nearly every byte means something, so UTF-8 passes and turns
into other letters. The reverse does not: text in such an encoding is hardly ever valid UTF-8.
"""

from __future__ import annotations

import codecs
import re

_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
#: two letters of cp1251 in a row may look like one of UTF-8; so many in one line do not
_SURE = 4
#: bytes of a line that are looked at
_LONGEST = 1 << 16
_LETTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


class Utf8Check:
    """Watches the lines of a file that is declared to have one byte a character."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self._rest = b""
        self._sure = False
        self._utf8, self._other = 0, 0

    def feed(self, chunk: bytes) -> None:
        """Look at the next bytes; an empty chunk ends the file."""
        if chunk.isascii() and self._rest.isascii():
            self._rest = chunk[-_LONGEST:].rpartition(b"\n")[2]
            if chunk:
                return
        *lines, rest = (self._rest + chunk).split(b"\n")
        self._rest = rest[:_LONGEST]
        for line in lines if chunk else [*lines, rest]:
            if not line.isascii():
                self._look_at(line)

    def is_utf8(self) -> bool:
        """Return whether the file, or some line of it, is UTF-8."""
        return self._sure or self._utf8 > self._other

    def _look_at(self, line: bytes) -> None:
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            self._other += 1
            return
        self._utf8 += 1
        self._sure = self._sure or len(_LETTER.findall(line)) >= _SURE


def byte_order_mark(head: bytes) -> str | None:
    """Return the encoding that the first bytes of a file name, or None.

    >>> byte_order_mark("id".encode("utf-16"))
    'utf-16'
    """
    return next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)


def is_single_byte(encoding: str) -> bool:
    """Return whether an encoding has one byte a character and is not plain ASCII.

    >>> is_single_byte("cp1251"), is_single_byte("utf-8"), is_single_byte("utf-16")
    (True, False, False)
    """
    name = codecs.lookup(encoding).name
    return name.startswith(("cp125", "iso8859", "koi8", "mac-", "cp8", "cp437", "latin")) or name in ("cp1140", "cp037")
