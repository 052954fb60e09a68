"""Loads an installation's settings from YAML files that include each other by name."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from conf.errors import ConfigError
from conf.settings.schema import Settings

DEFAULT = Path(__file__).parents[1] / "nbo.yml"
INCLUDED = ("source", "offers", "policy", "segments", "propensities", "models", "catalogue")
PATHS = ("home", "lake", "exports", "database", "mlflow")
#: what tells where and with which means a night runs, but not what comes out
PLACE = {*PATHS, "spark", "schedule", "readable_by", "keep_versions", "gx_spark_rows"}


class _UniqueKeyLoader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice instead of taking the last."""


def _mapping(loader: _UniqueKeyLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise yaml.constructor.ConstructorError(None, None, f"key(s) given twice: {sorted(twice)}", node.start_mark)
    return loader.construct_mapping(node, deep=True)


_UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load(path: Path | str | None = None) -> Settings:
    """Return the settings of the installation that ``path`` describes.

    ``NBO_HOME`` and ``NBO_DATABASE_URL`` in the environment win over the file; ``{home}`` in a path is
    replaced; a relative home stands beside the folder of the file.

    Args:
        path: the YAML file; else ``NBO_CONF``, else the shipped ``conf/nbo.yml``.

    Raises:
        ConfigError: a file is missing or malformed, or a key or a value is not allowed.
    """
    file = Path(path or os.environ.get("NBO_CONF") or DEFAULT).resolve()
    raw = read_yaml(file)
    for key in INCLUDED:
        if isinstance(raw.get(key), str):
            raw[key] = read_yaml(file.parent / raw[key])
    models = raw.get("models")
    if isinstance(models, dict) and isinstance(models.get("prior"), str):
        models["prior"] = read_yaml(file.parent / models["prior"])
    home = Path(os.environ.get("NBO_HOME") or raw.get("home") or "var")
    raw["home"] = str(home if home.is_absolute() else file.parent.parent / home)
    if os.environ.get("NBO_DATABASE_URL"):
        raw["database"] = os.environ["NBO_DATABASE_URL"]
    for key in PATHS[1:]:
        if isinstance(raw.get(key), str):
            raw[key] = raw[key].replace("{home}", raw["home"])
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        faults = "\n".join(
            f"  {'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()
        )
        raise ConfigError(f"{file} is not valid:\n{faults}") from None


def read_yaml(file: Path) -> dict[str, Any]:
    """Return the mapping in ``file``.

    Raises:
        ConfigError: the file is missing, malformed or no mapping.
    """
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}; give --conf or set NBO_CONF") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{file} must hold a mapping; it holds {type(content).__name__}")
    return content


def config_hash(settings: Settings) -> str:
    """Return the SHA-256 of all settings that can change a night's result; where it runs is not among them."""
    return hashlib.sha256(settings.model_dump_json(exclude=PLACE).encode()).hexdigest()
