"""Customers who were erased: their keys as keyed hashes, so that no later delivery brings them back.

The list stands in ``<home>/privacy/erased.json``. It holds no key of a customer, only SHA-256 of the installation's
secret and the key; the secret stands beside it and is made by the first erasure, or comes from ``NBO_ERASURE_KEY``.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from conf.errors import ConfigError
from conf.settings.schema import Settings

#: environment variable with the secret, for installations that keep secrets apart from data
VARIABLE = "NBO_ERASURE_KEY"


@dataclass(frozen=True)
class Erased:
    """Hashes of the keys of erased customers, and the secret that they were made with (never shown or logged)."""

    secret: str = ""
    hashes: frozenset[str] = frozenset()

    @property
    def content(self) -> str:
        """A hash of the list, for the freshness of the stages that read it; empty while nobody is erased."""
        return hashlib.sha256(" ".join(sorted(self.hashes)).encode()).hexdigest() if self.hashes else ""

    def hash_of(self, customer: str) -> str:
        """Return the keyed hash of a customer's key, as the source's rule on ids writes it."""
        return hashlib.sha256(f"{self.secret}:{customer}".encode()).hexdigest()

    def __contains__(self, customer: str) -> bool:
        """Return whether a customer is erased."""
        return bool(self.hashes) and self.hash_of(customer) in self.hashes


def read(settings: Settings) -> Erased:
    """Return who is erased; nobody where nothing was erased yet.

    Raises:
        ConfigError: there is a list, and the secret that it was made with is gone.
    """
    folder = _folder(settings)
    try:
        hashes = frozenset(json.loads((folder / "erased.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Erased()
    secret = os.environ.get(VARIABLE) or _stored(folder)
    if not secret:
        raise ConfigError(
            f"{folder / 'erased.json'} lists erased customers, but its secret is gone: put {folder / 'secret'} back or "
            f"set {VARIABLE}; without it erased customers would come back"
        )
    return Erased(secret, hashes)


def add(settings: Settings, customers: list[str]) -> Erased:
    """Put customers on the list and return it; from now on no delivery brings them back.

    Args:
        settings: the installation.
        customers: their keys, as the source's rule on ids writes them.
    """
    folder = _folder(settings)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    before = read(settings)
    secret = before.secret or os.environ.get(VARIABLE) or _stored(folder) or _made(folder)
    listed = Erased(secret)
    hashes = before.hashes | {listed.hash_of(customer) for customer in customers}
    write(folder / "erased.json", json.dumps(sorted(hashes), indent=1))
    return Erased(secret, frozenset(hashes))


def _folder(settings: Settings) -> Path:
    return Path(settings.home, "privacy")


def _stored(folder: Path) -> str:
    file = folder / "secret"
    return file.read_text(encoding="ascii").strip() if file.exists() else ""


def _made(folder: Path) -> str:
    secret = secrets.token_hex(32)
    write(folder / "secret", secret)
    return secret


def write(place: Path, text: str) -> None:
    """Write a file for the owner alone, whole or not at all."""
    temporary = place.with_suffix(".tmp")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, place)
