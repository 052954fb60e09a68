"""What the documents name is there, files and commands; their links lead somewhere; a model has one short page."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from jobs.cli import parser

ROOT = Path(__file__).parents[1]
#: logs and decisions speak of what was there on their day, and of what was taken out
LOGS = (ROOT / "docs" / "experiments", ROOT / "docs" / "decisions")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LIVING = [file for file in DOCUMENTS if not set(LOGS) & set(file.parents) and file.name != "data-dictionary.md"]
FOLDERS = ("bench", "conf", "dags", "docs", "expectations", "features", "jobs", "scoring", "tests", "training")
NAMED = re.compile(rf"(?<![\w/.<>{{}}-])(?:{'|'.join(FOLDERS)})/[\w./*-]*")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
MOST_WORDS = 600
#: the guide's example, which its reader makes
EXAMPLE = "days_to_next"


def name(file: Path) -> str:
    return str(file.relative_to(ROOT))


def test_there_are_documents() -> None:
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/operations.md"} <= set(map(name, DOCUMENTS))
    assert (ROOT / "LICENSE").read_text().lstrip().startswith("Apache License")


def named(text: str) -> set[str]:
    """Files and folders of the project that a text names in code, globs included."""
    spans = re.findall(r"`([^`\n]+)`", text) + re.findall(r"```.*?```", text, re.DOTALL)
    result = {path.rstrip("./,") for span in spans for path in NAMED.findall(span)}
    return {path for path in result if "/" in path and not path.endswith("-")}


def test_names_are_read_from_code_alone() -> None:
    text = (
        "`jobs/cli.py`, features/x.py and `features/<table>` or `bench/bench_*.py --full`\n```sh\nrun conf/nbo.yml\n```"
    )
    assert named(text) == {"jobs/cli.py", "bench/bench_*.py", "conf/nbo.yml"}


@pytest.mark.parametrize("file", LIVING, ids=name)
def test_what_a_document_names_is_there(file: Path) -> None:
    missing = [path for path in sorted(named(file.read_text())) if not any(ROOT.glob(path)) and EXAMPLE not in path]
    assert missing == []


def commands(text: str) -> list[list[str]]:
    """Commands of ``make`` and ``nbo`` that a text names in code, by their words; a shell's remarks are left out."""
    spans = re.findall(r"`([^`\n]+)`", text) + re.findall(r"```.*?```", text, re.DOTALL)
    lines = [re.split(r"(?<!\S)#", line)[0] for span in spans for line in span.splitlines()]
    parts = [part.split() for line in lines for part in re.split(r"&&|[;|]", line)]
    starts = [
        next((n for n, word in enumerate(part) if word.split("/")[-1] in ("make", "nbo")), None) for part in parts
    ]
    return [part[start:] for part, start in zip(parts, starts, strict=True) if start is not None and part[start + 1 :]]


def fault(words: list[str]) -> str | None:
    """Return what ``make`` or ``nbo`` does not know of a command: its target, variable, command or option."""
    given = words[1:]
    if words[0].endswith("make"):
        makefile = (ROOT / "Makefile").read_text()
        targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
        variables = {word.split("=")[0] for word in given if "=" in word}
        unknown = sorted({word for word in given if "=" not in word} - targets)
        unknown += sorted(name for name in variables if f"$({name})" not in makefile and f"{name} ?=" not in makefile)
        return f"make knows no {', '.join(unknown)}" if unknown else None
    place: argparse.ArgumentParser = parser()
    while choices := next((a.choices for a in place._actions if isinstance(a, argparse._SubParsersAction)), None):
        if given and given[0] == "--help":
            return None
        if not given or given[0] not in choices:
            return f"nbo knows no {given[:1]}"
        place, given = choices[given[0]], given[1:]
    unknown = sorted(w for w in given if w.startswith("--") and w.split("=")[0] not in place._option_string_actions)
    return f"{place.prog} knows no {', '.join(unknown)}" if unknown else None


def test_commands_are_read_from_code_alone_and_checked() -> None:
    text = "`make demo HOUSEHOLDS=300`, make nothing\n```sh\n.venv/bin/nbo show --ds DAY  # nbo nothing\n```"
    assert commands(text) == [["make", "demo", "HOUSEHOLDS=300"], [".venv/bin/nbo", "show", "--ds", "DAY"]]
    assert [fault(words) for words in commands(text)] == [None, None]
    assert fault(["make", "nights", "DAY=1"]) == "make knows no nights, DAY"
    assert fault(["nbo", "shows"]) == "nbo knows no ['shows']"
    assert fault(["nbo", "source", "check", "--days", "2"]) == "nbo source check knows no --days"


@pytest.mark.parametrize("file", LIVING, ids=name)
def test_commands_of_a_document_are_there(file: Path) -> None:
    assert [wrong for words in commands(file.read_text()) if (wrong := fault(words))] == []


def anchors(file: Path) -> set[str]:
    """Anchors of a document's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", file.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("file", DOCUMENTS, ids=name)
def test_links_lead_somewhere(file: Path) -> None:
    broken = []
    for link in LINK.findall(re.sub(r"```.*?```", "", file.read_text(), flags=re.DOTALL)):
        place, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = (file.parent / place).resolve() if place else file
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("file", sorted((ROOT / "docs" / "models").glob("*.md")), ids=name)
def test_a_model_has_one_short_page_that_is_listed(file: Path) -> None:
    text = file.read_text()
    assert len(text.split()) <= MOST_WORDS
    if file.name in ("README.md", "training.md"):
        return
    for part in ("**Says**|**Say**", r"**For**", "**How.**", "**How good.**", "**When not to trust it.**"):
        assert any(word in text for word in part.split("|")), part
    assert re.search(r"`(NBO_HOME=\.\.\. )?(bench/\w+/bench_|nbo |make |select )", text), "no command shows its figures"
    assert f"({file.name})" in (file.parent / "README.md").read_text()


def test_an_entry_of_the_changelog_is_one_line() -> None:
    lines = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.strip()]
    entries = [line for line in lines if line.startswith("- ")]
    assert [line for line in lines if not line.startswith(("- ", "#", "The format"))] == []
    assert [line for line in entries if len(line) > 150] == []


def test_every_hostile_input_has_its_test() -> None:
    """The table names a file of tests, and in it a function or a case."""
    text = (ROOT / "docs" / "hostile-input.md").read_text()
    rows = re.findall(r"\| `(tests/[\w./]+)`: (.+?) \|$", text, re.MULTILINE)
    assert len(rows) == text.count("\n| ") - 1
    for file, case in rows:
        content = (ROOT / file).read_text()
        assert f"def {case}(" in content or f'"{case}": (' in content, (file, case)
