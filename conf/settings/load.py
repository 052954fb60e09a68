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
INCLUDED = ("source", "offers", "policy", "decisions", "segments", "propensities", "models", "catalogue")
#: of these an installation needs one, its own or the shipped one
REQUIRED = ("offers", "policy", "segments", "models")
PATHS = ("home", "lake", "exports", "database", "mlflow")
#: where and with which means a night runs; nothing that changes what comes out
PLACE = {*PATHS, "spark", "schedule", "readable_by", "keep_versions", "gx_spark_rows"}
#: bytes of a settings file, and values it may have once its aliases are written out
MOST_BYTES, MOST_VALUES = 1 << 20, 100_000


class _UniqueKeyLoader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice, and aliases that write out to more than a file can mean."""

    def get_single_node(self) -> yaml.Node | None:
        """Return the document, measured before anything is made of it."""
        node = super().get_single_node()
        if node is not None:
            _values(node, {}, ())
        return node


def _values(node: yaml.Node, sizes: dict[int, int], above: tuple[int, ...]) -> int:
    """Return how many values a node stands for with its aliases written out."""
    if id(node) in above:
        raise yaml.constructor.ConstructorError(None, None, "an alias stands within its own anchor", node.start_mark)
    if id(node) not in sizes:
        below: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            below = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            below = node.value
        sizes[id(node)] = 1 + sum(_values(part, sizes, (*above, id(node))) for part in below)
    if sizes[id(node)] > MOST_VALUES:
        raise yaml.constructor.ConstructorError(
            None, None, f"aliases write out to more than {MOST_VALUES:,} values", node.start_mark
        )
    return sizes[id(node)]


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
    replaced; a relative home stands beside the folder of the file. An included file is looked for in the folder of
    the file, in the one above, and among the shipped ones; one that is not named at all is the shipped one, but for
    the source.

    Args:
        path: the YAML file; else ``NBO_CONF``, else the shipped ``conf/nbo.yml``.

    Raises:
        ConfigError: a file is missing or malformed, or a key or a value is not allowed.
    """
    file = Path(path or os.environ.get("NBO_CONF") or DEFAULT).resolve()
    raw = read_yaml(file)
    for key in INCLUDED:
        name = raw.setdefault(key, f"{key}.yml" if key in REQUIRED else None)
        if isinstance(name, str):
            raw[key] = read_yaml(_included(file, key, name))
        elif name is None:
            del raw[key]
    models = raw.get("models")
    if isinstance(models, dict) and isinstance(models.get("prior"), str):
        models["prior"] = read_yaml(_included(file, "models.prior", models["prior"]))
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


def _included(file: Path, key: str, name: str) -> Path:
    """Return the path of a file that ``file`` includes.

    Raises:
        ConfigError: it is in none of the places.
    """
    places = list(dict.fromkeys([file.parent / name, file.parent.parent / name, DEFAULT.parent / name]))
    for place in places:
        if place.is_file():
            return place
    raise ConfigError(
        f"{key}: cannot read {name}, which {file} includes; it is not at {', '.join(str(place) for place in places)}"
    )


def read_yaml(file: Path) -> dict[str, Any]:
    """Return the mapping in ``file``.

    Raises:
        ConfigError: the file is missing, malformed or no mapping.
    """
    try:
        if file.stat().st_size > MOST_BYTES:
            raise ConfigError(f"{file} is larger than {MOST_BYTES:,} bytes, which no settings are")
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except RecursionError:
        raise ConfigError(f"{file} is not valid YAML: it is nested too deep") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 (byte {error.start}); save it as UTF-8") from None
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
