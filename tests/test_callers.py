"""Every public function and class of the production rooms is used by production: what only benches call lives there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("conf", "expectations", "features", "jobs", "scoring", "training")
#: definitions that are called from outside the sources, with the caller
ENTRY_POINTS: dict[str, str] = {
    "jobs.cli.main": "the command `nbo` of setup.py",
    "features.catalogue.titles.cluster": "the clusters in one process, which tests and benches hold Spark's against",
    "scoring.decisions.repair.filled": "the greedy ways that the bench compares with",
    "training.rankers.repeat_rates.probability": "the formula that tests hold the Spark expression against",
}
Definition = tuple[str, str]  # module, name
Modules = dict[str, ast.Module]


def sources() -> Modules:
    """Return the parsed sources of the rooms and the DAGs, by module."""
    files = [file for room in (*ROOMS, "dags") for file in sorted((ROOT / room).rglob("*.py"))]
    paths = [(file, file.relative_to(ROOT).with_suffix("").parts) for file in files]
    return {".".join(part for part in parts if part != "__init__"): ast.parse(f.read_text()) for f, parts in paths}


def definitions(tree: ast.Module) -> list[ast.FunctionDef | ast.ClassDef]:
    """Return the functions and classes of a module."""
    return [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]


def imported(tree: ast.Module, modules: Modules) -> dict[str, Definition]:
    """Return what each imported name stands for: (module, name), the name empty where it is a module."""
    names: dict[str, Definition] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                names[alias.asname or alias.name] = (whole, "") if whole in modules else (node.module, alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname and alias.name in modules:
                    names[alias.asname] = (alias.name, "")
    return names


def mentions(module: str, node: ast.AST, names: dict[str, Definition], modules: Modules) -> Iterator[Definition]:
    """Yield the definitions that a piece of code mentions; a name of its own module included."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield names.get(part.id, (module, part.id))
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            owner, name = names.get(part.value.id, ("", "-"))
            if not name:
                yield owner, part.attr
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            owner, _, name = part.value.partition(":")  # imported by its name when it is needed
            if owner in modules:
                yield from [(owner, name)] if name else ((owner, one.name) for one in definitions(modules[owner]))


def unused(modules: Modules, entry_points: dict[str, str]) -> list[str]:
    """Return the public functions and classes that no code reached from a module's own statements mentions."""
    users: dict[Definition, list[Definition]] = {}
    everything: set[Definition] = set()
    reached: set[Definition] = {(name.rpartition(".")[0], name.rpartition(".")[2]) for name in entry_points}
    for module, tree in modules.items():
        names, own_definitions = imported(tree, modules), definitions(tree)
        for node in tree.body:
            used = list(mentions(module, node, names, modules))
            if node in own_definitions:
                everything.add((module, node.name))  # type: ignore[attr-defined]
                users[module, node.name] = used  # type: ignore[attr-defined]
            else:
                reached |= set(used)
    waiting = list(reached)
    while waiting:
        for used_by_it in users.get(waiting.pop(), ()):
            if used_by_it not in reached:
                reached.add(used_by_it)
                waiting.append(used_by_it)
    rooms = {name for name in everything if name[0].split(".")[0] in ROOMS}
    return sorted(".".join(name) for name in rooms - reached if not name[1].startswith("_"))


def test_every_public_definition_has_a_caller_in_production() -> None:
    assert unused(sources(), ENTRY_POINTS) == []


def test_entry_points_exist() -> None:
    names = {f"{module}.{one.name}" for module, tree in sources().items() for one in definitions(tree)}
    assert set(ENTRY_POINTS) <= names


def test_a_definition_that_only_an_unused_one_calls_is_reported_with_it() -> None:
    texts = {
        "training.a": "def used():\n    return helper()\ndef helper(): ...\ndef lonely():\n    return friend()\n"
        "def friend(): ...\ndef _private(): ...\n",
        "jobs.b": "from training import a\nfrom training.a import used\ndef run():\n    used()\n",
        "jobs.c": "STAGES = {'b': 'jobs.b', 'fit': 'training.d:fit'}\ndef main(): ...\n",
        "training.d": "def fit(): ...\ndef spare(): ...\n",
    }
    modules = {name: ast.parse(text) for name, text in texts.items()}
    assert unused(modules, {"jobs.c.main": "the command"}) == [
        "training.a.friend", "training.a.lonely", "training.d.spare",
    ]  # fmt: skip
