"""What the documents name is there, their links lead somewhere, and a model has one short page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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
    assert re.search(r"`(NBO_HOME=\.\.\. )?(bench/bench_|nbo |make |select )", text), "no command shows its figures"
    assert f"({file.name})" in (file.parent / "README.md").read_text()


def test_an_entry_of_the_changelog_is_one_line() -> None:
    lines = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.strip()]
    entries = [line for line in lines if line.startswith("- ")]
    assert [line for line in lines if not line.startswith(("- ", "#", "The format"))] == []
    assert [line for line in entries if len(line) > 150] == []
