"""Models as folders: ``meta.json`` and the weights in a format that cannot run code (skops, LightGBM text, ``.keras``).

Which file holds the weights of a kind, and who reads it, is declared with the models (:mod:`training.registry`).

n = rows, d = inputs, l = labels. The same model gives the same bytes, so its SHA-256 names it everywhere. Missing
inputs are handled inside the models.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol
from zipfile import ZipFile, ZipInfo

import numpy as np
import pandas as pd

from conf.errors import DataError
from training.formats import KERAS_FILE
from training.registry import format_of
from training.spec import Format, loaded

META = "meta.json"
#: where skops and Keras write the address of an object
_ADDRESS = r'("__id__": |"file": "|"shared_object_id": )(\d+)'
#: kinds that models registered before bear
_FORMER_KINDS = {"stack": "convolution"}


@dataclass(frozen=True)
class Meta:
    """What a model is: its ``name`` in the registry, format, sort and columns.

    ``extra`` may hold ``calibration`` (slope and intercept on the log-odds) and, for networks, what
    :mod:`training.characteristics.numpy_network` needs.
    """

    name: str
    kind: str
    family: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def format(self) -> Format:
        """How such a model is kept."""
        return format_of(self.kind, self.extra.get("architecture"))

    def to_json(self) -> str:
        """Render for the folder."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> Meta:
        """Read what :meth:`to_json` wrote."""
        raw = json.loads(text)
        raw["kind"] = _FORMER_KINDS.get(raw["kind"], raw["kind"])
        return Meta(**{**raw, "inputs": tuple(raw["inputs"]), "outputs": tuple(raw["outputs"])})


class Model(Protocol):
    """What scoring sees of any model."""

    meta: Meta

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return probabilities (n,) or, with several labels, (n, l)."""

    def contributions(self, frame: pd.DataFrame) -> np.ndarray:
        """Return what each input adds to the log-odds (n, d), against the model's own expectation."""

    def to_bytes(self) -> dict[str, bytes]:
        """Return the files of the model by name."""


# --- bytes and folders


def to_bytes(meta: Meta, weights: Any) -> dict[str, bytes]:
    """Render a fitted scikit-learn pipeline, LightGBM booster or Keras model as files."""
    if meta.kind == "sklearn":
        import skops.io

        content = _reproducible(skops.io.dumps(weights))
    elif meta.kind == "lightgbm":
        content = weights.model_to_string().encode()
    else:
        content = _reproducible(_keras_bytes(weights))
    return {META: meta.to_json().encode(), meta.format.file: content}


def from_bytes(files: dict[str, bytes]) -> Model:
    """Return the model that :func:`to_bytes` rendered; a broadcast carries it to Spark's workers.

    Raises:
        DataError: a file is missing, or no family of the registry reads such a model.
    """
    if META not in files:
        raise DataError(f"a model without {META}; have {sorted(files)}. Train it again")
    meta = Meta.from_json(files[META].decode())
    if meta.format.file not in files:
        raise DataError(f"model {meta.name}: no file {meta.format.file}; have {sorted(files)}. Train it again")
    model: Model = loaded(meta.format.reader)(meta, files)
    return model


def with_extra(model: Model, **more: Any) -> Model:
    """Return the model with ``more`` in its ``meta.extra``."""
    meta = model.meta
    changed = Meta(meta.name, meta.kind, meta.family, meta.inputs, meta.outputs, {**meta.extra, **more})
    return from_bytes({**model.to_bytes(), META: changed.to_json().encode()})


def _load_pyfunc(path: str) -> Model:
    """Return the model in a folder; MLflow calls this for the kinds that it has no form of its own for."""
    return from_bytes(_read(Path(path)))


def digest(files: dict[str, bytes] | Path) -> str:
    """Return the SHA-256 over the names and contents of a model's files."""
    total = hashlib.sha256()
    for name, content in sorted((_read(files) if isinstance(files, Path) else files).items()):
        total.update(f"{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def save(folder: Path, files: dict[str, bytes]) -> str:
    """Write a model's files to ``folder``, whole or not at all, and return their digest."""
    if not folder.exists():
        aside = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
        aside.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            with open(aside / name, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        aside.rename(folder)
    return digest(files)


def load(folder: Path | str, sha256: str) -> Model:
    """Return the model in ``folder``, having checked every byte.

    Raises:
        DataError: a file is missing, or the digest is not ``sha256``.
    """
    return from_bytes(checked(folder, sha256))


def checked(folder: Path | str, sha256: str) -> dict[str, bytes]:
    """Return the files of the model in ``folder``, having checked every byte.

    Raises:
        DataError: a file is missing, or the digest is not ``sha256``.
    """
    files = _read(Path(folder))
    hashed = digest(files)
    if hashed != sha256:
        raise DataError(
            f"the model in {folder} is not the one that was registered: its SHA-256 is {hashed}, not {sha256}; "
            "remove the folder and run `nbo train` again, which fetches it from the registry"
        )
    return files


def _read(folder: Path) -> dict[str, bytes]:
    if not (folder / META).is_file():
        raise DataError(f"no model in {folder}; run `nbo train` again, which fetches it from the registry")
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()}


# --- inputs


def matrix(frame: pd.DataFrame, inputs: Iterable[str], name: str) -> np.ndarray:
    """Return ``inputs`` of ``frame`` as float64 (n, d), NaN where there is no value.

    Raises:
        DataError: a column is missing.
    """
    missing = [column for column in inputs if column not in frame.columns]
    if missing:
        raise DataError(f"model {name}: missing input column(s) {missing}; have {sorted(frame.columns)}")
    return frame[list(inputs)].astype("float64").to_numpy(dtype="float64", na_value=np.nan)


# --- the same model, the same bytes


def _keras_bytes(model: Any) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, KERAS_FILE)
        model.save(path)
        return path.read_bytes()


def _reproducible(archive: bytes) -> bytes:
    """Rewrite a zip archive without its dates, and with numbers where skops and Keras write memory addresses."""
    source, target = ZipFile(io.BytesIO(archive)), io.BytesIO()
    texts = {name: source.read(name).decode() for name in ("schema.json", "config.json") if name in source.namelist()}
    addresses = dict.fromkeys(address for text in texts.values() for _, address in re.findall(_ADDRESS, text))
    numbers = {address: str(number) for number, address in enumerate(addresses)}
    contents: dict[str, bytes] = {}
    for name in source.namelist():
        stem, dot, ending = name.partition(".")
        content = source.read(name)
        if name in texts:
            content = re.sub(_ADDRESS, lambda match: match[1] + numbers[match[2]], texts[name]).encode()
        if name == "metadata.json":
            content = json.dumps({**json.loads(content), "date_saved": ""}).encode()
        contents[numbers.get(stem, stem) + dot + ending] = content
    with ZipFile(target, "w") as rewritten:
        for name, content in sorted(contents.items()):
            rewritten.writestr(ZipInfo(name), content)
    return target.getvalue()
