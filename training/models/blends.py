"""The mean of several models' log-odds as one model, when models that err differently are better together.

n = rows, d = inputs. The files are the members' own, in one archive.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from zipfile import ZipFile, ZipInfo

import numpy as np
import pandas as pd
from scipy.special import expit

from training.models.artifacts import Meta, Model, from_bytes

WEIGHTS_FILE = "members.zip"
_TINY = 1e-7


class Blend:
    """sigmoid(slope x mean of the members' log-odds + intercept), the calibration being of ``meta.extra``."""

    def __init__(self, meta: Meta, files: dict[str, bytes]) -> None:
        """Read the members."""
        self.meta, self.files = meta, files
        parts: dict[str, dict[str, bytes]] = {}
        with ZipFile(io.BytesIO(files[WEIGHTS_FILE])) as archive:
            for path in sorted(archive.namelist()):
                folder, _, name = path.partition("/")
                parts.setdefault(folder, {})[name] = archive.read(path)
        self.members = [from_bytes(parts[folder]) for folder in sorted(parts)]
        self.slope, self.intercept = meta.extra.get("calibration", (1.0, 0.0))

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return probabilities (n,)."""
        p = np.clip([member.predict(frame) for member in self.members], _TINY, 1 - _TINY)
        return expit(self.slope * (np.log(p) - np.log1p(-p)).mean(axis=0) + self.intercept)

    def contributions(self, frame: pd.DataFrame) -> np.ndarray:
        """Return what each input adds to the log-odds (n, d): the mean of the members' contributions."""
        place = {name: number for number, name in enumerate(self.meta.inputs)}
        total = np.zeros((len(frame), len(self.meta.inputs)))
        for member in self.members:
            total[:, [place[name] for name in member.meta.inputs]] += member.contributions(frame)
        return self.slope * total / len(self.members)

    def to_bytes(self) -> dict[str, bytes]:
        """Return the files of the model by name."""
        return self.files


def read(meta: Meta, files: dict[str, bytes]) -> Model:
    """Return the model in these files."""
    return Blend(meta, files)


def blend(name: str, members: Sequence[Model]) -> Model:
    """Return the mean of models of one event."""
    stream = io.BytesIO()
    with ZipFile(stream, "w") as archive:
        for number, member in enumerate(members):
            for file, content in sorted(member.to_bytes().items()):
                archive.writestr(ZipInfo(f"{number}/{file}"), content)
    inputs = tuple(dict.fromkeys(column for member in members for column in member.meta.inputs))
    family = "mean of " + ", ".join(member.meta.family for member in members)
    meta = Meta(name, "blend", family, inputs, ("probability",))
    return Blend(meta, {"meta.json": meta.to_json().encode(), WEIGHTS_FILE: stream.getvalue()})
