"""The ``nbo`` command line: every stage of a night, and what people ask of its results."""

from __future__ import annotations

import argparse
import ctypes
import importlib
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import date
from pathlib import Path

from conf.errors import NboError
from conf.settings.load import load
from jobs.lake.reads import READS
from jobs.moved_home import follow_home
from jobs.stages import AFRESH, Stage

STAGES: dict[Stage, str] = {
    Stage.INGEST: "pull the exports that are new into the lake's raw layer",
    Stage.VALIDATE: "map to the canonical model, quarantine bad rows, stop bad exports",
    Stage.CATALOGUE: "find which products are one; new ones join the clusters there are",
    Stage.FEATURES: "build customer, product and pair features in Spark",
    Stage.TRAIN: "pin the night's champions; train what has none",
    Stage.SCORE: "score every customer and choose the offers",
    Stage.PUBLISH: "write the night to the database in one transaction",
    Stage.SEGMENTS: "write the marketers' segment files",
    Stage.MEASURE: "measure what earlier nights' offers brought",
    Stage.REPORT: "write the nightly report",
}
COMMANDS: dict[str, tuple[str, str]] = {
    "status": ("jobs.commands.status", "print the newest night, what runs in Airflow, and what stands still"),
    "airflow": ("jobs.commands.serve_airflow", "serve Airflow and its UI until stopped (`make airflow` sets it up)"),
    "doctor": ("jobs.commands.doctor", "check Java, packages, folders and databases, and say the remedy"),
    "demo": ("jobs.demo.lay_out", "lay out the demonstration CRM's exports"),
    "source": (
        "jobs.source.source_command",
        "draft the settings of a new source from its files, or try them on a sample",
    ),
    "show": ("jobs.commands.show", "print where a night's results are, its key figures and some offers"),
    "offers": ("jobs.commands.show", "print one customer's offers with their reasons"),
    "why": ("jobs.commands.why", "say why a customer gets an action or offer tonight, or does not"),
    "preview": ("jobs.commands.preview_segments", "print what the segment files hold and why customers are left out"),
    "evaluate": ("jobs.commands.evaluate", "measure the nights of a range against the 28 days after them, as a table"),
    "days": ("jobs.commands.evaluate", "print the days of a range, one a line"),
    "match": ("jobs.commands.match_files", "match the records of two files that are one, without labels"),
    "dedup": ("jobs.commands.match_files", "group the records of one file that are one, without labels"),
    "curve": ("jobs.commands.show_curve", "print which similarities the catalogue's bands find"),
    "rollback": ("jobs.commands.roll_back", "take a model's newest champion back; the one before it serves again"),
    "approve": ("jobs.commands.approve", "let models serve that passed the gate and were held for approval"),
    "quarantine": ("jobs.commands.quarantine", "list what validation set aside, or show the rows of a table"),
    "erase": ("jobs.privacy.erase", "take customers out of every layer, table and file, and keep them out"),
    "sweep": ("jobs.lake.sweep", "remove old versions from the lake"),
    "dictionary": ("jobs.commands.write_dictionary", "write the data dictionary from the declarations"),
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--conf", metavar="FILE", help="settings (default: NBO_CONF, else the shipped conf/nbo.yml)")
    night = argparse.ArgumentParser(add_help=False, parents=[shared])
    night.add_argument(
        "--ds",
        required=True,
        type=date.fromisoformat,
        metavar="YYYY-MM-DD",
        help="the night: last day whose data counts",
    )
    stage = argparse.ArgumentParser(add_help=False, parents=[night])
    stage.add_argument("--force", action="store_true", help="run even when nothing changed")

    top = argparse.ArgumentParser(
        prog="nbo",
        description="Nightly next-best-offer pipeline for CRM data.",
        epilog="Exit codes: 0 done, 1 failed, 2 wrong configuration or command, 3 bad data, 4 the night is locked "
        "by another process, 75 a connection was lost (try again).",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, about: str, parent: argparse.ArgumentParser) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".", parents=[parent])

    for name, about in STAGES.items():
        command = add(str(name), about, stage)
        if name is Stage.TRAIN:
            command.add_argument("--retrain", action="store_true", help="train challengers for all models")
            command.add_argument("--hold", action="store_true", help="what passes the gate waits for `nbo approve`")
        if name is Stage.CATALOGUE:
            command.add_argument("--recluster", action="store_true", help="cluster all products again; ids are kept")
    add("nightly", "run all stages of a night, one child process each, without Airflow", stage)
    add("show", COMMANDS["show"][1], night)
    offers = add("offers", COMMANDS["offers"][1], shared)
    offers.add_argument("customer", metavar="CUSTOMER", help="the CRM's key of the customer")
    offers.add_argument("--ds", type=date.fromisoformat, metavar="YYYY-MM-DD", help="the night (default: the newest)")
    why = add("why", COMMANDS["why"][1], shared)
    why.add_argument("customer", metavar="CUSTOMER", help="the CRM's key of the customer")
    why.add_argument("offer", nargs="?", metavar="OFFER", help="an offer's key or an action's name (default: all)")
    why.add_argument("--ds", type=date.fromisoformat, metavar="YYYY-MM-DD", help="the night (default: the newest)")
    add("status", COMMANDS["status"][1], shared)
    airflow = add("airflow", COMMANDS["airflow"][1], shared)
    airflow.add_argument("--with-parent", action="store_true", help="stop when the process that started it ends")
    doctor = add("doctor", COMMANDS["doctor"][1], shared)
    doctor.add_argument("--quiet", action="store_true", help="print only what is wrong")
    preview = add("preview", COMMANDS["preview"][1], night)
    preview.add_argument("--segment", metavar="SLUG", help="one segment (default: all that have a file)")
    evaluate = add("evaluate", COMMANDS["evaluate"][1], shared)
    evaluate.add_argument("--from", dest="first", required=True, type=date.fromisoformat, metavar="YYYY-MM-DD")
    evaluate.add_argument("--to", dest="last", required=True, type=date.fromisoformat, metavar="YYYY-MM-DD")
    days = add("days", COMMANDS["days"][1], shared)
    days.add_argument("first", type=date.fromisoformat, metavar="FROM")
    days.add_argument("last", type=date.fromisoformat, metavar="TO")
    _add_matching(add, shared)
    _add_source(add, shared)
    add("rollback", COMMANDS["rollback"][1], shared).add_argument("model", metavar="MODEL")
    approve = add("approve", COMMANDS["approve"][1], shared)
    approve.add_argument("models", nargs="*", metavar="MODEL", help="models (default: all that are held)")
    demo = add("demo", COMMANDS["demo"][1], shared)
    demo.add_argument("--households", type=int, metavar="N", help="about so many households (default: all)")
    aside = add("quarantine", COMMANDS["quarantine"][1], shared)
    aside.add_argument("action", choices=("list", "show"), help="rows by night, table and rule, or the rows")
    aside.add_argument("table", nargs="?", metavar="TABLE", help="canonical table whose rows to show")
    aside.add_argument("--ds", type=date.fromisoformat, metavar="YYYY-MM-DD", help="the night (default: the newest)")
    aside.add_argument("--rule", metavar="RULE", help="show the rows of this rule alone")
    erase = add("erase", COMMANDS["erase"][1], shared)
    erase.add_argument(
        "customers", nargs="*", metavar="ID", help="the CRM's keys of customers (default: finish earlier erasures)"
    )
    add("sweep", COMMANDS["sweep"][1], shared)
    dictionary = add("dictionary", COMMANDS["dictionary"][1], shared)
    dictionary.add_argument("--check", action="store_true", help="only tell whether the written file is up to date")
    return top


def _add_source(
    add: Callable[[str, str, argparse.ArgumentParser], argparse.ArgumentParser], shared: argparse.ArgumentParser
) -> None:
    """Add the commands that bring a source on."""
    steps = add("source", COMMANDS["source"][1], argparse.ArgumentParser(add_help=False)).add_subparsers(
        dest="step", required=True, metavar="STEP"
    )
    init = steps.add_parser("init", help="draft a folder of settings by looking at files", parents=[shared])
    init.add_argument("paths", nargs="+", metavar="PATH", help="export files, or the folder the CRM leaves them in")
    init.add_argument("--out", default="nbo-source", metavar="FOLDER", help="where to write (default: nbo-source)")
    init.add_argument("--name", default="shop", metavar="NAME", help="of the source (default: shop)")
    init.add_argument("--timezone", default="UTC", metavar="ZONE", help="IANA zone of the shop (default: UTC)")
    init.add_argument("--currency", default="EUR", metavar="CODE", help="ISO 4217 code (default: EUR)")
    check = steps.add_parser("check", help="run the mapping on a sample of the exports", parents=[shared])
    check.add_argument("--ds", type=date.fromisoformat, metavar="YYYY-MM-DD", help="the night (default: the newest)")
    check.add_argument(
        "--rows", type=int, default=20_000, metavar="N", help="lines of each text file to try (default: 20000)"
    )


def _add_matching(
    add: Callable[[str, str, argparse.ArgumentParser], argparse.ArgumentParser], shared: argparse.ArgumentParser
) -> None:
    """Add the commands that compare records of files."""
    match, dedup = (add(name, COMMANDS[name][1], shared) for name in ("match", "dedup"))
    match.add_argument("left", metavar="LEFT", help="CSV or Parquet file")
    match.add_argument("right", metavar="RIGHT", help="CSV or Parquet file")
    dedup.add_argument("file", metavar="FILE", help="CSV or Parquet file")
    for command in (match, dedup):
        command.add_argument(
            "--id", metavar="COLUMN", help="names a record (default: id and the like, else row numbers)"
        )
        command.add_argument(
            "--text", metavar="COLUMN,...", help="columns to compare (default: all but the id, prices and empty ones)"
        )
        command.add_argument("--out", metavar="FILE", help="CSV file to write (default: print)")
        command.add_argument(
            "--explain", nargs=2, metavar="ID", help="only say what speaks for and against two records"
        )
    curve = add("curve", COMMANDS["curve"][1], shared)
    curve.add_argument("--length", type=int, metavar="N", help="places of the signature, 50 to 500")
    curve.add_argument("--target", type=float, metavar="S", help="similarity that has to be found")


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    _die_with_parent()
    # before any library that brings OpenMP: on a busy machine its threads otherwise burn many times their work waiting
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    args = parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
        stream=sys.stderr,
    )
    for noisy in ("py4j", "great_expectations", "alembic", "mlflow", "h5py", "absl", "matplotlib"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        return _run(args)
    except NboError as error:
        logging.getLogger("nbo").error("%s", error)
        _result({"error": str(error)})
        return error.exit_code
    except Exception as error:
        traceback.print_exc()
        _result({"error": f"{type(error).__name__}: {error}"[:2000]})
        return 1


def _run(args: argparse.Namespace) -> int:
    os.umask(0o077)  # whatever is written holds customers' keys
    settings = load(args.conf)
    if settings.readable_by == "group":
        os.umask(0o027)
    if args.command in (*Stage, "rollback", "approve"):
        follow_home(settings)
    if args.command == "nightly":
        from jobs.commands.nightly import run_night

        return run_night(args.ds, args.conf, args.force)
    if args.command in list(Stage):
        stage = Stage(args.command)
        afresh = AFRESH.get(stage, "").removeprefix("--")
        options = {afresh: getattr(args, afresh)} if afresh else {}
        options |= {"hold": args.hold} if stage is Stage.TRAIN else {}
        manifest = importlib.import_module(READS[stage].module).run(settings, args.ds, force=args.force, **options)
        _result(manifest.summary())
        return 0
    return int(importlib.import_module(COMMANDS[args.command][0]).command(settings, args) or 0)


def _result(summary: dict[str, object]) -> None:
    """Hand a summary to the process that started this one, when there is one."""
    if os.environ.get("NBO_RESULT"):
        Path(os.environ["NBO_RESULT"]).write_text(json.dumps(summary))


def _die_with_parent() -> None:
    """Let the kernel kill this process when the task that started it dies, so that no retry runs beside it."""
    parent = os.environ.get("NBO_PARENT_PID")
    if parent and sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != int(parent):
            os._exit(137)
        del os.environ["NBO_PARENT_PID"]


if __name__ == "__main__":
    sys.exit(main())
