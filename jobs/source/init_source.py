"""``nbo source init``: writes a folder of settings for a new source, drafted from its files."""

from __future__ import annotations

import argparse
import logging
import re
from collections import defaultdict
from datetime import date, datetime
from pathlib import Path

from conf.errors import ConfigError, DataError
from conf.settings.exports import format_of
from jobs.source.draft import ExportDraft, draft, slug
from jobs.source.draft_offers import offers, propensities, segments
from jobs.source.look import look

log = logging.getLogger("nbo")
#: a day in a name, and how it is written
_DAYS = [
    (re.compile(r"\d{4}-\d\d-\d\d"), "%Y-%m-%d"),
    (re.compile(r"\d\d\.\d\d\.\d{4}"), "%d.%m.%Y"),
    (re.compile(r"\d{4}_\d\d_\d\d"), "%Y_%m_%d"),
    (re.compile(r"(?<!\d)20\d{6}(?!\d)"), "%Y%m%d"),
]
NBO = """# One installation, for the source of this folder.
home: var
lake: "{home}/lake"
exports: "@ROOT@"
database: "sqlite:///{home}/nbo.db"
mlflow: "sqlite:///{home}/mlflow.db"
source: sources/@NAME@.yml
offers: offers.yml
segments: segments.yml
propensities: propensities.yml
"""


def init(args: argparse.Namespace) -> int:
    """Write the draft and say where it is.

    Raises:
        ConfigError: there are no export files at the paths, or the target folder is not empty.
        DataError: a file cannot be read.
    """
    target = Path(args.out)
    if target.exists() and any(target.iterdir()):
        raise ConfigError(f"{target} is not empty; give another folder by --out")
    root, exports_seen = exports(args.paths)
    texts = {
        f"sources/{args.name}.yml": draft(args.name, exports_seen, args.timezone, args.currency),
        "nbo.yml": NBO.replace("@ROOT@", str(root.resolve())).replace("@NAME@", args.name),
        "offers.yml": offers(exports_seen),
        "propensities.yml": propensities(exports_seen),
        "segments.yml": segments(exports_seen),
    }
    for name, text in texts.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(text, encoding="utf-8")
    for export in exports_seen:
        kind = export.table or "no table that is known"
        print(f"{export.path}: {len(export.look.columns)} columns, seems to be {kind}")
    print(f"drafted in {target}; read what is marked CHECK, then run `nbo source check --conf {target}/nbo.yml`")
    return 0


def exports(paths: list[str]) -> tuple[Path, list[ExportDraft]]:
    """Return the folder that holds the exports and what was seen in it.

    Raises:
        ConfigError: there are no files that could be exports.
    """
    given = [Path(path) for path in paths]
    if missing := [str(path) for path in given if not path.exists()]:
        raise ConfigError(f"there is no {', '.join(missing)}; give files, or the folder that the CRM leaves them in")
    root = given[0] if given[0].is_dir() else given[0].parent
    files = [file for path in given for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    groups: dict[str, list[tuple[date | None, Path]]] = defaultdict(list)
    for file in files:
        name = str(file.relative_to(root)) if file.is_relative_to(root) else file.name
        if file.is_file() and not file.name.startswith(".") and format_of(name):
            pattern, day = _template(name)
            groups[pattern].append((day, file))
    if not groups:
        raise ConfigError(f"no CSV, JSON, Parquet or Excel file is at {', '.join(paths)}")
    exports_seen: list[ExportDraft] = []
    for pattern, dated in groups.items():
        days = sorted({day for day, _ in dated if day})
        newest = max(dated, key=lambda entry: (entry[0] or date.min, entry[1].name))[1]
        try:
            seen = look(newest, format_of(pattern) or "csv")
        except DataError as fault:
            log.warning("%s; it is left out", fault)
            continue
        name = slug(Path(pattern.split("/")[-1].replace("{date", ".{date")))
        taken = {export.name for export in exports_seen}
        name = name if name not in taken else f"{name}_{len(exports_seen)}"
        exports_seen.append(ExportDraft(name, pattern, days, seen, again=_holds_all(dated, days, seen)))
    if not exports_seen:
        raise DataError("none of the files can be read; see the warnings")
    return root, exports_seen


def _holds_all(dated: list[tuple[date | None, Path]], days: list[date], newest: object) -> bool:
    """Return whether each file seems to hold all there are: the first has most of the newest's size."""
    if len(days) < 2:
        return True
    sizes = [file.stat().st_size for _, file in sorted(dated, key=lambda entry: entry[0] or date.min)]
    return sizes[0] > 0.5 * sizes[-1] and sizes[-1] >= 0.9 * max(sizes)


def _template(name: str) -> tuple[str, date | None]:
    """Return a path with its days as placeholders, and the day."""
    day = None
    for pattern, form in _DAYS:
        for written in pattern.findall(name):
            try:
                day = datetime.strptime(written, form).date()
            except ValueError:
                continue
            name = name.replace(written, "{date}" if form == "%Y-%m-%d" else f"{{date:{form}}}")
        if day:
            break
    return name, day
