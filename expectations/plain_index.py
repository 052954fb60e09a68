"""The first page of a night's Data Docs: every rule and what came of it, readable without a network.

Great Expectations' own pages take styles and scripts from public networks; they are linked from here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from expectations.rules import Outcome

#: what becomes of rows that break a rule of each kind
KINDS = {"row": "row set aside", "field": "value set aside", "table": "stops the night", "note": "reported"}
_STYLE = """body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%;margin:.5rem 0 2rem}th,td{text-align:left;padding:.3rem .6rem;
border-bottom:1px solid #ddd;vertical-align:top}td.n{text-align:right}tr.broken td{background:#fdecea}"""


def plain_index(checks: Mapping[str, Sequence[Outcome]], docs: Path) -> str:
    """Return the page as HTML.

    Args:
        checks: suite -> outcomes of its rules.
        docs: folder of the Data Docs, in which each suite's own page is looked for.
    """
    parts = [
        f"<!doctype html><meta charset=utf-8><title>Data checks</title><style>{_STYLE}</style><h1>Data checks</h1>"
    ]
    for name, outcomes in checks.items():
        broken = sum(not outcome.passed for outcome in outcomes)
        page = next(iter(sorted((docs / "validations" / name).rglob("*.html"))), None)
        link = f' <a href="{escape(page.relative_to(docs).as_posix())}">details</a>' if page else ""
        parts.append(
            f"<h2>{escape(name)}</h2><p>{len(outcomes) - broken} of {len(outcomes)} rules hold.{link}</p><table>"
        )
        parts.append("<tr><th>rule<th>meaning<th>where it is broken<th>rows checked<th>rows that break it</tr>")
        parts += [_row(outcome) for outcome in sorted(outcomes, key=lambda outcome: outcome.passed)]
        parts.append("</table>")
    return "\n".join(parts)


def _row(outcome: Outcome) -> str:
    rule = outcome.rule
    failed = escape(outcome.fault or f"{len(outcome.failed):,}")
    return (
        f"<tr{'' if outcome.passed else ' class=broken'}><td>{escape(rule.name)}<td>{escape(rule.about)}"
        f"<td>{KINDS[rule.kind]}<td class=n>{outcome.rows_checked:,}<td class=n>{failed}</tr>"
    )
