"""What the registry says of a night: which models serve it, where their files lie, and why they serve."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from conf.settings.schema import Settings
from conf.tables.runs import MODEL_VERSIONS
from conf.tables.types import arrow_schema
from jobs.lake.manifest import Manifest
from training import registry
from training.models.tracking import CHALLENGER, CHAMPION, Registry, Version


def open_registry(settings: Settings) -> Registry:
    """Return the registry of the installation."""
    return Registry(settings.mlflow, Path(settings.home, "mlartifacts"))


def local_folder(settings: Settings, models: Registry, version: Version) -> Path:
    """Return the folder of a version's files, fetched from the registry where it is not there.

    Raises:
        DataError: the registry has lost them.
    """
    folder = folder_of(settings, version.name, version.sha256)
    if not folder.exists():
        models.fetch(version, folder)
    return folder


def folder_of(settings: Settings, name: str, sha256: str) -> Path:
    """Return where the files of a model lie: under their own hash, so that nothing is ever overwritten."""
    return Path(settings.home, "models", name, sha256[:16])


def pins(settings: Settings, models: Registry, names: list[str], day: date) -> dict[str, dict[str, Any]]:
    """Return what serves on ``day``, and the challenger where the champion is only a baseline.

    Raises:
        DataError: the files of a champion are gone.
    """
    pinned = {}
    for key, version in _pinned(models, names, day).items():
        folder = local_folder(settings, models, version)
        tags = version.tags
        pinned[key] = {
            "uri": str(folder),
            "sha256": version.sha256,
            "version": version.number,
            "kind": tags["kind"],
            "standing": version.standing,
            "decision": tags["decision"],
            "trained_through": tags["trained_through"],
            "metric": tags["metric"],
            "value": _number(tags, "value"),
            "baseline": tags["baseline"],
            "baseline_value": _number(tags, "baseline_value"),
            "metrics": _figures(tags, "metrics"),
            "baseline_metrics": _figures(tags, "baseline_metrics"),
        }
    return pinned


def _pinned(models: Registry, names: list[str], day: date) -> dict[str, Version]:
    pinned = {}
    for name in names:
        champion = models.champion(name, day)
        if champion is None:
            continue
        pinned[name] = champion
        challenger = models.challenger(name, day) if champion.tags.get("is_baseline") else None
        if challenger is not None and challenger.sha256 != champion.sha256:
            pinned[registry.CHALLENGER_OF.format(name)] = challenger
    return pinned


def still_pinned(settings: Settings, models: Registry, manifest: Manifest, day: date) -> bool:
    """Return whether the published pins are what would be pinned now, and their files lie in this home.

    They do not where the home was moved or copied: the pins would lead to the models of the old place.
    """
    before = manifest.facts.get("pins", {})
    now = _pinned(models, [name for name in before if ":" not in name], day)
    same = {key: pin["sha256"] for key, pin in before.items()} == {key: version.sha256 for key, version in now.items()}
    folders = {key: folder_of(settings, key.split(":")[0], pin["sha256"]) for key, pin in before.items()}
    return same and all(pin["uri"] == str(folders[key]) and folders[key].is_dir() for key, pin in before.items())


def versions(models: Registry, names: list[str], day: date) -> pa.Table:
    """Return the rows of ``MODEL_VERSIONS``: the champion and the latest challenger of each model."""
    rows = []
    for name in names:
        champion, challenger = models.champion(name, day), models.challenger(name, day)
        for version, standing in ((champion, CHAMPION), (challenger, CHALLENGER)):
            if version is None or (standing == CHALLENGER and champion and version.sha256 == champion.sha256):
                continue
            tags = version.tags
            rows.append(
                {
                    "ds": day,
                    "name": name,
                    "sha256": version.sha256,
                    "version": version.number,
                    "kind": tags["kind"],
                    "standing": standing,
                    "decision": tags["decision"],
                    "trained_through": version.trained_through,
                    "metric": tags["metric"],
                    "value": _number(tags, "value"),
                    "baseline": tags["baseline"],
                    "baseline_value": _number(tags, "baseline_value"),
                    "low": _number(tags, "low"),
                    "high": _number(tags, "high"),
                    "run_id": version.run_id,
                }
            )
    return pa.Table.from_pylist(rows, schema=arrow_schema(MODEL_VERSIONS))


def _number(tags: Mapping[str, str], name: str) -> float | None:
    """Return a figure of a version; None where it is missing or not a number."""
    value = float(tags.get(name, "nan"))
    return None if value != value else value


def _figures(tags: Mapping[str, str], name: str) -> dict[str, float]:
    return {key: value for key, value in json.loads(tags.get(name, "{}")).items() if value == value}
