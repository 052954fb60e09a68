"""What a stage's result depends on: its code, the settings it declares, its inputs and the night.

The code is the stage's module with all modules of the project that it imports, directly or not, at the top of a file
or in a function, and the templates in their folders. Comments, docstrings and formatting are no part of it, and
neither are imports for type checkers.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path

from conf.settings.schema import Settings
from conf.settings.sections import narrowed
from jobs.lake.reads import READS
from jobs.stages import Stage

ROOT = Path(__file__).parents[2]
ROOMS = ("conf", "expectations", "features", "jobs", "scoring", "training")
TEMPLATES = "templates/*.j2"
REFERENCE = re.compile(r"[a-z_]+(\.[a-z_]+)+:[a-z_]+")


def fingerprint(settings: Settings, stage: Stage, day: date, inputs: dict[str, str], root: Path = ROOT) -> str:
    """Return a hash that changes when, and only when, something changes that ``stage`` reads.

    Args:
        settings: of the installation.
        stage: the stage.
        day: the night.
        inputs: name -> content hash of what the stage reads of other stages and of files.
        root: folder with the project's rooms.
    """
    dependencies = [str(stage), str(day), code_of(stage, root), settings_hash(settings, stage), inputs]
    return hashlib.sha256(json.dumps(dependencies, sort_keys=True).encode()).hexdigest()


def code_of(stage: Stage, root: Path = ROOT) -> str:
    """Return the hash of all code that ``stage`` runs."""
    return code_hash(READS[stage].module, root, READS[stage].runs_models)


def settings_hash(settings: Settings, stage: Stage) -> str:
    """Return a hash of the settings that ``stage`` declares."""
    declared = narrowed(settings, READS[stage].settings)
    return hashlib.sha256(declared.model_dump_json().encode()).hexdigest()


@cache
def code_version(root: Path = ROOT) -> str:
    """Return a hash of the whole project's code and templates, so that a result names the code that made it."""
    total = hashlib.sha256()
    for file in sorted(file for room in ROOMS for end in ("py", "j2") for file in (root / room).rglob(f"*.{end}")):
        total.update(str(file.relative_to(root)).encode() + file.read_bytes())
    return total.hexdigest()[:16]


def code_hash(module: str, root: Path = ROOT, by_reference: bool = False) -> str:
    """Return a hash of ``module``, of all it imports from the project's rooms, and of the templates beside these.

    Raises:
        FileNotFoundError: there is no such module.
    """
    files = closure(module, root, by_reference)
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(f"{name}\n{_logic(files[name].read_text(encoding='utf-8'))}\n".encode())
    for template in sorted({template_file for file in files.values() for template_file in file.parent.glob(TEMPLATES)}):
        total.update(str(template.relative_to(root)).encode() + template.read_bytes())
    return total.hexdigest()


def closure(module: str, root: Path = ROOT, by_reference: bool = False) -> dict[str, Path]:
    """Return the project's modules that ``module`` imports, directly or not, and itself: name -> file.

    In a file that calls ``import_module``, every text that is a module's whole name counts as an import; with
    ``by_reference`` the module of every text ``module:name``, too (:data:`training.spec.Reference`).
    """
    first = _file(module, root)
    if first is None:
        raise FileNotFoundError(f"there is no module {module} under {root}")
    files, waiting = {module: first}, [first]
    while waiting:
        for name in _names(waiting.pop().read_text(encoding="utf-8"), by_reference):
            file = _file(name, root) if name not in files else None
            if file is not None:
                files[name] = file
                waiting.append(file)
    return files


def _file(module: str, root: Path) -> Path | None:
    """Return a module's file; None for a package, which defines nothing, and for what is not the project's."""
    if module.split(".")[0] not in ROOMS:
        return None
    file = root.joinpath(*module.split(".")).with_suffix(".py")
    return file if file.is_file() else None


@cache
def _names(source: str, by_reference: bool) -> frozenset[str]:
    """Return every name that may be an imported module."""
    tree = ast.parse(source)
    names = frozenset(_imported(tree, "import_module" in source))
    return names | frozenset(_referenced(tree)) if by_reference else names


def _imported(node: ast.AST, by_name: bool) -> Iterator[str]:
    """Yield what ``import`` names below ``node``, and with ``by_name`` every text that may be a module's name."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from (name.name for name in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield child.module
            yield from (f"{child.module}.{name.name}" for name in child.names)
        elif by_name and isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.value
        yield from _imported(child, by_name)


def _referenced(tree: ast.AST) -> Iterator[str]:
    """Yield the module of every text ``module:name``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and REFERENCE.fullmatch(node.value):
            yield node.value.partition(":")[0]


@cache
def _logic(source: str) -> str:
    """Return the syntax tree of ``source`` as text, without docstrings, comments and positions."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)
