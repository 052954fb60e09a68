"""Every public function and class of the production rooms is used by production: what only benches call lives there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("conf", "expectations", "features", "jobs", "scoring", "training")
#: definitions that are called from outside the sources, with the caller
ENTRY_POINTS: dict[str, str] = {
    "jobs.cli.main": "the command `nbo` of setup.py",
}
Name = tuple[str, str]  # module, name


@cache
def modules() -> dict[str, ast.Module]:
    """Return the parsed sources of the rooms and the DAGs, by module."""
    files = [file for room in (*ROOMS, "dags") for file in sorted((ROOT / room).rglob("*.py"))]
    paths = [(file, file.relative_to(ROOT).with_suffix("").parts) for file in files]
    return {".".join(part for part in parts if part != "__init__"): ast.parse(f.read_text()) for f, parts in paths}


def definitions_of(module: str) -> list[ast.FunctionDef | ast.ClassDef]:
    """Return the functions and classes of a module."""
    return [node for node in modules()[module].body if isinstance(node, ast.FunctionDef | ast.ClassDef)]


def imported(tree: ast.Module) -> dict[str, Name]:
    """Return what each imported name stands for: (module, name), the name empty where it is a module."""
    names: dict[str, Name] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                names[alias.asname or alias.name] = (whole, "") if whole in modules() else (node.module, alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname and alias.name in modules():
                    names[alias.asname] = (alias.name, "")
    return names


def mentions(module: str, node: ast.AST, names: dict[str, Name]) -> Iterator[Name]:
    """Yield the definitions of the rooms that a piece of code mentions; a name of its own module included."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield names.get(part.id, (module, part.id))
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            owner, name = names.get(part.value.id, ("", "-"))
            if not name:
                yield owner, part.attr
        elif isinstance(part, ast.Constant) and part.value in modules():
            # imported by its name when it is needed
            yield from ((str(part.value), node.name) for node in definitions_of(str(part.value)))


def unused() -> list[str]:
    """Return the public functions and classes that no code reached from a module's own statements mentions."""
    users: dict[Name, list[tuple[Name, Name]]] = {}
    definitions: set[Name] = set()
    reached: set[Name] = {tuple(name.rsplit(".", 1)) for name in ENTRY_POINTS}  # type: ignore[misc]
    for module, tree in modules().items():
        names = imported(tree)
        for node in tree.body:
            is_definition = isinstance(node, ast.FunctionDef | ast.ClassDef)
            own = (module, node.name if is_definition else "")  # type: ignore[attr-defined]
            if is_definition:
                definitions.add(own)
            for used in mentions(module, node, names):
                if not is_definition:
                    reached.add(used)
                elif used != own:
                    users.setdefault(own, []).append((own, used))
    waiting = [name for name in reached if name in users]
    while waiting:
        for _, used in users.get(waiting.pop(), ()):
            if used not in reached:
                reached.add(used)
                waiting.append(used)
    rooms = {name for name in definitions if name[0].split(".")[0] in ROOMS}
    return sorted(".".join(name) for name in rooms - reached if not name[1].startswith("_"))


def test_every_public_definition_has_a_caller_in_production() -> None:
    assert unused() == []


def test_entry_points_exist() -> None:
    definitions = {
        f"{module}.{node.name}"
        for module, tree in modules().items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    assert set(ENTRY_POINTS) <= definitions
