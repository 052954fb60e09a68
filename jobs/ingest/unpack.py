"""Opens dropped files: plain, gzip or the members of a zip, as bytes or as text, never more than the contract allows.

Memory is that of a chunk. Nothing of a file's content gets into a message.
"""

from __future__ import annotations

import codecs
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from conf.errors import DataError
from conf.settings.exports import Export, chosen
from jobs.ingest.encodings import Utf8Check, byte_order_mark, is_single_byte
from jobs.ingest.exports import Drop, open_drop

CHUNK = 1 << 20
#: members a zip may have
MEMBERS = 10_000
#: beyond this size, so many bytes from one packed byte are taken for an attack
SUSPICIOUS_SIZE, SUSPICIOUS_RATIO = 64 << 20, 500


@dataclass(frozen=True)
class Piece:
    """A file to read: the drop itself, or one member of a zip."""

    drop: Drop
    member: str | None = None

    @property
    def name(self) -> str:
        """Return its path within the export folder; a member's follows that of its zip."""
        return f"{self.drop.name}/{self.member}" if self.member else self.drop.name


def pieces(drop: Drop, export: Export) -> list[Piece]:
    """Return what is to be read of a file: itself, or the members of a zip that the contract names.

    Raises:
        DataError: the zip is damaged or encrypted, or holds no such member.
    """
    if not _is_zip(drop):
        return [Piece(drop)]
    with _archive(drop) as archive:
        members = archive.infolist()
    if len(members) > MEMBERS:
        raise DataError(f"{drop.name}: has {len(members):,} members; at most {MEMBERS:,} are read; pack fewer files")
    names = chosen([member.filename for member in members], export.member)
    if not names:
        held = ", ".join(repr(member.filename[:60]) for member in members[:5]) or "nothing"
        raise DataError(
            f"{drop.name}: no member is called {export.member!r}; it holds {held}; mend `member` of the export"
        )
    if any(member.flag_bits & 1 for member in members if member.filename in names):
        raise DataError(f"{drop.name}: is encrypted; drop it unpacked, or without a password")
    if len(set(names)) < len(names):
        raise DataError(f"{drop.name}: holds two members of one name; have them named apart")
    return [Piece(drop, name) for name in names]


def chunks(piece: Piece, export: Export) -> Iterator[bytes]:
    """Yield the bytes of a file, unpacked; stops at the first byte beyond the contract's limit.

    Raises:
        DataError: it is cut off, damaged or too large.
    """
    size, packed = 0, max(1, piece.drop.bytes)
    with _opened(piece) as stream:
        while True:
            try:
                chunk = stream.read(CHUNK)
            except EOFError:
                raise DataError(f"{piece.name}: is cut off (its packed stream has no end); ask for it again") from None
            except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, NotImplementedError, OSError):
                kind = "zip" if piece.member else "gzip"
                raise DataError(f"{piece.name}: is damaged or not {kind}; ask for it again") from None
            if not chunk:
                return
            size += len(chunk)
            limit(piece.name, export, size)
            if size > SUSPICIOUS_SIZE and size > SUSPICIOUS_RATIO * packed:
                raise DataError(
                    f"{piece.name}: unpacks to over {SUSPICIOUS_RATIO} times its size, as no export does; "
                    "if it is right, drop it unpacked"
                )
            yield chunk


def texts(piece: Piece, export: Export) -> Iterator[str]:
    """Yield the text of a file, decoded and without byte order mark.

    Raises:
        DataError: it is not in the contract's encoding.
    """
    encoding = "utf-8" if export.format == "json" and export.csv.encoding == "utf-8" else export.csv.encoding
    decoder = codecs.getincrementaldecoder(encoding)()
    check = Utf8Check() if is_single_byte(encoding) else None
    read, pending, marked = 0, 0, False
    for chunk in (*_peeked(piece, export, encoding), b""):
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeError as error:
            place = read - pending + getattr(error, "start", 0)
            raise DataError(
                f"{piece.name}: is not {encoding}: byte {place} cannot be decoded; "
                "declare the encoding the CRM writes under `csv`, or have the export mended"
            ) from None
        if check:
            check.feed(chunk)
        read += len(chunk)
        pending = len(decoder.getstate()[0])
        if not marked and text:
            text, marked = text.removeprefix("\ufeff"), True
        yield text
    if check and check.is_utf8():
        raise DataError(
            f"{piece.name}: is UTF-8 and not {encoding}, wholly or in part: read as declared its letters would turn "
            "into others; declare `encoding: utf-8` under `csv`, or have the export mended"
        )


def unpacked(piece: Piece, export: Export, scratch: Path, suffix: str) -> Path:
    """Return a file on disk with the bytes of ``piece``: the drop itself where it is not packed."""
    if piece.member is None and not piece.drop.name.endswith(".gz"):
        return piece.drop.path
    target = new_file(scratch, suffix)
    with target.open("wb") as copy:
        for chunk in chunks(piece, export):
            copy.write(chunk)
    return target


def new_file(scratch: Path, suffix: str) -> Path:
    """Return the path of a file in ``scratch`` that is not there yet; no character of it is special to a reader."""
    return scratch / f"{len(list(scratch.iterdir()))}.{suffix}"


def limit(name: str, export: Export, size: int) -> None:
    """Check the unpacked size of a file.

    Raises:
        DataError: it is larger than the contract allows.
    """
    if size > export.max_bytes:
        raise DataError(
            f"{name}: holds more than {export.max_bytes:,} bytes when unpacked; "
            "if that is right, raise max_bytes of the export"
        )


def _peeked(piece: Piece, export: Export, encoding: str) -> Iterator[bytes]:
    """Yield the bytes of a text file, unless its first ones say that it is something else."""
    for number, chunk in enumerate(chunks(piece, export)):
        if not number:
            _refuse_other_kind(piece, chunk, encoding)
        yield chunk


def _refuse_other_kind(piece: Piece, head: bytes, encoding: str) -> None:
    """Say what a file is, where it is packed, a spreadsheet or marked as another encoding."""
    kinds = {
        b"PK\x03\x04": "a zip or an Excel file; end its name in .zip or .xlsx in `path`, or declare `format: xlsx`",
        b"PK\x05\x06": "an empty zip; ask for it again",
        b"\x1f\x8b": "gzip; end its name in .gz in `path`",
        b"\xd0\xcf\x11\xe0": "an old Excel file (.xls); have it saved as .xlsx or CSV",
        b"PAR1": "Parquet; declare `format: parquet`",
        b"%PDF": "a PDF; ask for the export",
    }
    for mark, reading in kinds.items():
        if head.startswith(mark):
            raise DataError(f"{piece.name}: is {reading}")
    mark_read = byte_order_mark(head)
    if mark_read and not codecs.lookup(encoding).name.startswith(mark_read[:6]):
        raise DataError(
            f"{piece.name}: begins with the mark of {mark_read} and is declared {encoding}; "
            f"declare `encoding: {mark_read}` under `csv`"
        )


def _is_zip(drop: Drop) -> bool:
    return drop.name.lower().endswith(".zip")


@contextmanager
def _archive(drop: Drop) -> Iterator[zipfile.ZipFile]:
    with open(open_drop(drop.path), "rb") as raw:
        try:
            archive = zipfile.ZipFile(raw)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError):
            raise DataError(f"{drop.name}: is no whole zip (cut off or damaged); ask for it again") from None
        with archive:
            yield archive


@contextmanager
def _opened(piece: Piece) -> Iterator[IO[bytes]]:
    if piece.member is not None:
        with _archive(piece.drop) as archive:
            try:
                stream = archive.open(piece.member)
            except (zipfile.BadZipFile, NotImplementedError, RuntimeError, KeyError):
                raise DataError(f"{piece.name}: is damaged or packed in a way that cannot be read") from None
            with stream:
                yield stream
        return
    with open(open_drop(piece.drop.path), "rb") as raw:
        if piece.drop.name.endswith(".gz"):
            with gzip.GzipFile(fileobj=raw) as plain:
                yield cast(IO[bytes], plain)
        else:
            yield raw
