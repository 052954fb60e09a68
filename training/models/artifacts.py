"""Models as folders: ``meta.json`` and the weights in a format that cannot run code (skops, LightGBM text, ``.keras``).

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
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol
from zipfile import ZipFile, ZipInfo

import numpy as np
import pandas as pd

from conf.errors import DataError
from training.models.tree_shap import TreeTable, contributions as tree_contributions, tables as tree_tables

META = "meta.json"
Kind = Literal["sklearn", "lightgbm", "keras", "value", "survival", "stack", "blend"]
WEIGHTS: dict[str, str] = {
    "sklearn": "model.skops",
    "lightgbm": "model.txt",
    "keras": "model.keras",
    "value": "model.json",
    "survival": "model.json",
    "stack": "model.npz",
    "blend": "members.zip",
}
#: modules with a reader of a kind: ``read(meta, files)``
_READERS = {
    "value": "training.value.models",
    "survival": "training.survival.survival",
    "stack": "training.networks.convolution",
    "blend": "training.models.blends",
}
#: modules with a reader of a Keras network that is more than the characteristic one
_ARCHITECTURES = {"wide_deep": "training.rankers.wide_deep", "next_action": "training.next_action.next_action"}
#: where skops and Keras write the address of an object
_ADDRESS = r'("__id__": |"file": "|"shared_object_id": )(\d+)'
#: types beyond skops' own list that a file may hold; all are plain data
TRUSTED = ["numpy.dtype"]


@dataclass(frozen=True)
class Meta:
    """What a model is: its ``name`` in the registry, format, sort and columns.

    ``extra`` may hold ``calibration`` (slope and intercept on the log-odds) and, for networks, what
    :mod:`training.characteristics.numpy_network` needs.
    """

    name: str
    kind: Kind
    family: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    extra: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Render for the folder."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> Meta:
        """Read what :meth:`to_json` wrote."""
        raw = json.loads(text)
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
    return {META: meta.to_json().encode(), WEIGHTS[meta.kind]: content}


def from_bytes(files: dict[str, bytes]) -> Model:
    """Return the model that :func:`to_bytes` rendered; a broadcast carries it to Spark's workers.

    Raises:
        DataError: a file is missing.
    """
    if META not in files:
        raise DataError(f"a model without {META}; have {sorted(files)}. Train it again")
    meta = Meta.from_json(files[META].decode())
    if WEIGHTS.get(meta.kind) not in files:
        raise DataError(f"model {meta.name}: no file {WEIGHTS.get(meta.kind)}; have {sorted(files)}. Train it again")
    content = files[WEIGHTS[meta.kind]]
    if meta.kind == "sklearn":
        return _Linear(meta, files, content)
    if meta.kind == "lightgbm":
        return _Trees(meta, files, content)
    if meta.kind in _READERS:
        found: Model = import_module(_READERS[meta.kind]).read(meta, files)
        return found
    if meta.extra.get("architecture") in _ARCHITECTURES:
        network: Model = import_module(_ARCHITECTURES[meta.extra["architecture"]]).read(meta, files)
        return network
    from training.characteristics.numpy_network import Network

    return Network(meta, files, content)


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
    found = digest(files)
    if found != sha256:
        raise DataError(
            f"the model in {folder} is not the one that was registered: its SHA-256 is {found}, not {sha256}; "
            "remove the folder and run `nbo train` again, which fetches it from the registry"
        )
    return files


def _read(folder: Path) -> dict[str, bytes]:
    if not (folder / META).is_file():
        raise DataError(f"no model in {folder}; run `nbo train` again, which fetches it from the registry")
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()}


# --- the formats


def matrix(frame: pd.DataFrame, inputs: Iterable[str], name: str) -> np.ndarray:
    """Return ``inputs`` of ``frame`` as float64 (n, d), NaN where there is no value.

    Raises:
        DataError: a column is missing.
    """
    missing = [column for column in inputs if column not in frame.columns]
    if missing:
        raise DataError(f"model {name}: missing input column(s) {missing}; have {sorted(frame.columns)}")
    return frame[list(inputs)].astype("float64").to_numpy(dtype="float64", na_value=np.nan)


class _Base:
    def __init__(self, meta: Meta, files: dict[str, bytes]) -> None:
        self.meta, self.files = meta, files
        self.slope, self.intercept = meta.extra.get("calibration", (1.0, 0.0))

    def to_bytes(self) -> dict[str, bytes]:
        return self.files

    def _mean(self, score: np.ndarray) -> np.ndarray:
        """Return what a score stands for: of log-odds the probability, of the logarithm of an amount the amount."""
        if self.meta.extra.get("link") == "log":
            return np.exp(score)
        return 1 / (1 + np.exp(-(self.slope * score + self.intercept)))


class _Linear(_Base):
    """A scikit-learn pipeline: imputer first, logistic regression last."""

    def __init__(self, meta: Meta, files: dict[str, bytes], content: bytes) -> None:
        super().__init__(meta, files)
        import skops.io

        unknown = sorted(set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED))
        if unknown:
            raise DataError(f"model {meta.name} holds types that are not trusted: {unknown}; train it again")
        self.pipeline = skops.io.loads(content, trusted=TRUSTED)

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        x = matrix(frame, self.meta.inputs, self.meta.name)
        if not len(x):
            return np.zeros(0)
        log = self.meta.extra.get("link") == "log"
        return self._mean(self.pipeline.predict(x)[:, 0] if log else self.pipeline.decision_function(x))

    def contributions(self, frame: pd.DataFrame) -> np.ndarray:
        x = matrix(frame, self.meta.inputs, self.meta.name)
        if not len(x):
            return np.zeros((0, len(self.meta.inputs)))
        imputer, regression = self.pipeline[0], self.pipeline[-1]
        each = self.slope * self.pipeline[:-1].transform(x) * regression.coef_[0]
        total = each[:, : len(self.meta.inputs)].copy()
        indicated = imputer.indicator_.features_ if imputer.indicator_ is not None else []
        for place, source in enumerate(indicated):  # "is missing" belongs to the input that is missing
            total[:, source] += each[:, len(self.meta.inputs) + place]
        return total


class _Trees(_Base):
    """A LightGBM booster."""

    def __init__(self, meta: Meta, files: dict[str, bytes], content: bytes) -> None:
        super().__init__(meta, files)
        import lightgbm

        self.booster = lightgbm.Booster(model_str=content.decode())

    @cached_property
    def tables(self) -> list[TreeTable] | None:
        """What each small tree adds, by the outcomes of its splits; None: trees are too large for it."""
        return tree_tables(self.booster.dump_model()["tree_info"])

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        x = matrix(frame, self.meta.inputs, self.meta.name)
        return self._mean(np.asarray(self.booster.predict(x, raw_score=True))) if len(x) else np.zeros(0)

    def contributions(self, frame: pd.DataFrame) -> np.ndarray:
        x = matrix(frame, self.meta.inputs, self.meta.name)
        if not len(x):
            return np.zeros((0, len(self.meta.inputs)))
        if self.tables is not None:
            return self.slope * tree_contributions(self.tables, x)
        return self.slope * np.asarray(self.booster.predict(x, pred_contrib=True))[:, :-1]  # the last is the bias


# --- the same model, the same bytes


def _keras_bytes(model: Any) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, WEIGHTS["keras"])
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
            content = re.sub(_ADDRESS, lambda found: found[1] + numbers[found[2]], texts[name]).encode()
        if name == "metadata.json":
            content = json.dumps({**json.loads(content), "date_saved": ""}).encode()
        contents[numbers.get(stem, stem) + dot + ending] = content
    with ZipFile(target, "w") as rewritten:
        for name, content in sorted(contents.items()):
            rewritten.writestr(ZipInfo(name), content)
    return target.getvalue()
