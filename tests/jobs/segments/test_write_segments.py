"""Segment files arrive whole, the same every time, and only for customers who may be contacted."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import resource
import signal
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from conf.errors import ConfigError, NboError
from conf.settings.schema import Segment, Settings
from jobs.database import database
from jobs.database.contacts import is_live
from jobs.lake import delivery
from jobs.lake.lake import Lake
from jobs.segments import write_segments
from jobs.segments.select_files import delivered
from jobs.stages import Stage
from scoring.segments.contact_limits import OTHER_FILES

DAY = date(2017, 12, 3)


@pytest.fixture
def outbox(settings: Settings) -> Path:
    return Path(settings.home, "outbox")


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_segments, "today", lambda settings: DAY + timedelta(days=1))


def read(folder: Path, slug: str, day: date = DAY, delimiter: str = ",") -> list[dict[str, str]]:
    with (folder / f"segment_{slug}_{day}.csv").open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream, delimiter=delimiter, strict=True))


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def with_segment(settings: Settings, **changes: object) -> Settings:
    segments = settings.segments.model_copy(update=changes)
    return settings.model_copy(update={"segments": segments})


def test_files_and_manifest_agree(settings: Settings, night: Lake, outbox: Path) -> None:
    policy = settings.policy.model_copy(update={"max_contacts": 9})
    settings = with_segment(settings.model_copy(update={"policy": policy}), files_per_customer=9)
    write_segments.run(settings, DAY)
    manifest = json.loads((outbox / "2017-12-03" / "manifest.json").read_text())
    assert [file["slug"] for file in manifest["files"]] == [s.slug for s in delivered(settings)]
    assert [file["rows"] for file in manifest["files"] if file["slug"] == "like_coupon_redeemers"] == [0]
    reach = {row["segment_id"]: row["reach"] for row in night.arrow("scores/segments", DAY).to_pylist()}
    for file in manifest["files"][:-1]:
        assert file["rows"] == reach[file["slug"]]
        rows = read(outbox / "latest", file["slug"])
        assert len(rows) == file["rows"] > 0
        assert list(rows[0]) == file["columns"]
        content = (outbox / "latest" / file["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
        assert content.startswith(b"\xef\xbb\xbf")
        assert content.endswith(b"\r\n")
    assert (manifest["ds"], manifest["live"]) == ("2017-12-03", False)
    assert manifest["scores_content"] == night.need(Stage.SCORE, DAY).content


def test_nobody_leaves_who_may_not_be_contacted(settings: Settings, night: Lake, outbox: Path) -> None:
    write_segments.run(settings, DAY)
    barred = {f"c{i:04d}" for i in range(40) if i % 10 == 9 or i % 7 == 5}
    manifest = json.loads((outbox / "latest" / "manifest.json").read_text())
    for file in manifest["files"]:
        assert not barred & {row["customer_id"] for row in read(outbox / "latest", file["slug"])}
    suppressed = {file["slug"]: file["suppressed"] for file in manifest["files"]}
    assert {"contact_limit", "control group", "no_consent"} <= set(suppressed["ready_to_buy_again"])


def test_nobody_is_in_more_files_than_the_limit_allows(settings: Settings, night: Lake, outbox: Path) -> None:
    def files_of_customers(limit: int) -> Counter[str]:
        policy = settings.policy.model_copy(update={"max_contacts": limit})
        many = with_segment(settings.model_copy(update={"policy": policy}), files_per_customer=9)
        write_segments.run(many, DAY, force=True)
        slugs = [segment.slug for segment in delivered(settings)]
        return Counter(row["customer_id"] for slug in slugs for row in read(outbox / "latest", slug))

    free, limited = files_of_customers(9), files_of_customers(1)
    assert max(free.values()) > 1
    assert set(limited) == set(free)
    assert set(limited.values()) == {1}
    manifest = json.loads((outbox / "latest" / "manifest.json").read_text())
    held_back = sum(file["suppressed"].get(OTHER_FILES, 0) for file in manifest["files"])
    assert held_back == free.total() - limited.total()


def test_a_formula_in_an_offers_title_is_text(settings: Settings, night: Lake, outbox: Path) -> None:
    write_segments.run(settings, DAY)
    titles = {row["offer_title"] for row in read(outbox / "latest", "ready_for_coupon")}
    assert '\'=HYPERLINK("http://evil.example","go")' in titles
    assert not [title for title in titles if title.startswith("=")]


def test_running_again_delivers_the_same_bytes(settings: Settings, night: Lake, outbox: Path) -> None:
    first = write_segments.run(settings, DAY)
    before = digests(outbox / "2017-12-03")
    assert write_segments.run(settings, DAY).version == first.version
    assert write_segments.run(settings, DAY, force=True).version != first.version
    assert digests(outbox / "2017-12-03") == before
    assert len(list((outbox / ".versions").iterdir())) == 1


def test_a_damaged_file_is_delivered_again(settings: Settings, night: Lake, outbox: Path) -> None:
    write_segments.run(settings, DAY)
    before = digests(outbox / "latest")
    next((outbox / "latest").glob("*.csv")).write_text("gone")
    write_segments.run(settings, DAY)
    assert digests(outbox / "latest") == before


def test_without_bom_and_with_semicolons(settings: Settings, night: Lake, outbox: Path) -> None:
    write_segments.run(with_segment(settings, bom=False, delimiter=";"), DAY)
    rows = read(outbox / "latest", "new_and_cold", delimiter=";")
    assert rows[0]["segment"] == "new_and_cold"
    assert (outbox / "latest" / "segment_new_and_cold_2017-12-03.csv").read_bytes().startswith(b"customer_id;")


def test_latest_stays_on_the_newest_night(settings: Settings, make_night: Callable[..., Lake], outbox: Path) -> None:
    for day in (DAY, DAY - timedelta(days=1)):
        make_night(day)
        write_segments.run(settings, day)
    assert os.readlink(outbox / "latest") == "2017-12-03"
    assert (outbox / "2017-12-02" / "manifest.json").exists()


def test_a_wrong_rule_stops_before_anything_is_delivered(settings: Settings, night: Lake, outbox: Path) -> None:
    wrong = Segment(slug="wrong", title="t", about="a", where="churm > 1")
    with pytest.raises(ConfigError, match=r"segment wrong: .* no column churm"):
        write_segments.run(with_segment(settings, segments=[*settings.segments.segments, wrong]), DAY)
    assert not outbox.exists()


def test_a_live_night_records_its_contacts_once(settings: Settings, night: Lake, outbox: Path, live: None) -> None:
    write_segments.run(settings, DAY)
    write_segments.run(settings, DAY, force=True)
    manifest = json.loads((outbox / "latest" / "manifest.json").read_text())
    recorded = database.rows(settings.database, "contacts", ds=DAY)
    assert manifest["live"]
    assert len(recorded) == sum(file["rows"] for file in manifest["files"])
    coupon = read(outbox / "latest", "ready_for_coupon")[0]
    (row,) = [r for r in recorded if (r["customer_id"], r["segment"]) == (coupon["customer_id"], "ready_for_coupon")]
    assert (row["offer_id"], row["contacted_on"], row["channel"]) == (coupon["offer_id"], "2017-12-04", "mail")


def test_a_replayed_night_records_nothing_and_says_so(settings: Settings, night: Lake, outbox: Path) -> None:
    write_segments.run(settings, DAY)
    assert database.count(settings.database, "contacts") == 0
    assert "nobody was contacted" in json.loads((outbox / "latest" / "manifest.json").read_text())["note"]
    assert "nobody was contacted" in (outbox / "latest" / "README.txt").read_text()


def test_a_live_night_that_is_run_again_later_stays_live(
    settings: Settings, night: Lake, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for age in (1, 30):
        monkeypatch.setattr(write_segments, "today", lambda settings, age=age: DAY + timedelta(days=age))
        write_segments.run(settings, DAY, force=True)
    assert json.loads((outbox / "latest" / "manifest.json").read_text())["live"]
    assert "nothing is added" in (outbox / "latest" / "README.txt").read_text()


@pytest.mark.parametrize(("age", "added"), [(2, True), (30, False)])
def test_a_contact_once_made_stays_whatever_the_night_chooses_later(
    settings: Settings, night: Lake, monkeypatch: pytest.MonkeyPatch, age: int, added: bool
) -> None:
    def run(where: str, age: int) -> dict[str, str]:
        monkeypatch.setattr(write_segments, "today", lambda settings: DAY + timedelta(days=age))
        one = Segment(slug="some", title="t", about="a", where=where)
        write_segments.run(with_segment(settings, segments=[one], look_alikes=[]), DAY, force=True)
        return {row["customer_id"]: row["contacted_on"] for row in database.rows(settings.database, "contacts")}

    first = run("customer_id < 'c0004'", 1)
    assert first == {f"c000{number}": "2017-12-04" for number in range(4)}
    rest = {f"c000{number}": "2017-12-04" for number in (6, 7, 8)}
    assert run("customer_id between 'c0006' and 'c0008'", age) == (first | rest if added else first)


def test_no_file_goes_out_whose_contacts_are_not_on_record(
    settings: Settings, night: Lake, outbox: Path, live: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: object) -> None:
        raise NboError("no database")

    with monkeypatch.context() as patch:
        patch.setattr(database, "replace", broken)
        with pytest.raises(NboError, match="no database"):
            write_segments.run(settings, DAY)
    assert not (outbox / "2017-12-03").exists()
    assert not (outbox / "latest").exists()
    write_segments.run(settings, DAY)
    assert database.count(settings.database, "contacts", ds=DAY) > 0


def test_lost_contacts_are_recorded_again(settings: Settings, night: Lake, live: None) -> None:
    write_segments.run(settings, DAY)
    recorded = database.rows(settings.database, "contacts", ds=DAY)
    Path(settings.database.removeprefix("sqlite:///")).unlink()
    write_segments.run(settings, DAY)
    assert database.rows(settings.database, "contacts", ds=DAY) == recorded


def test_a_night_to_come_is_not_live(settings: Settings) -> None:
    assert not is_live(settings, DAY, DAY - timedelta(days=1))


# --- what goes wrong meanwhile


def deliver(root: Path, mark: str) -> None:
    with delivery.new_folder(root, "2017-12-03") as folder:
        for name in ("a", "b"):
            (folder / name).write_text(mark)
    delivery.link_newest(root)


def test_a_kill_at_any_step_leaves_the_old_files_or_the_new(tmp_path: Path) -> None:
    deliver(tmp_path, "old")
    marks = []
    for step in range(1, 30):
        child = os.fork()
        if child == 0:
            left = step

            def dying(honest: Callable[..., object]) -> Callable[..., object]:
                def wrapped(*args: object, **options: object) -> object:
                    nonlocal left
                    left -= 1
                    if left == 0:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return honest(*args, **options)

                return wrapped

            for name in ("fsync", "replace", "symlink", "mkdir", "rmdir", "unlink", "open"):
                setattr(os, name, dying(getattr(os, name)))
            deliver(tmp_path, "new")
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        result = {(tmp_path / "latest" / name).read_text() for name in ("a", "b")}
        assert result in ({"old"}, {"new"}), step
        marks += result
        if code == 0:
            break
        assert code == -signal.SIGKILL
        deliver(tmp_path, "old")
    assert code == 0
    assert marks.count("old") >= 6, "killed before the switch"
    assert marks.count("new") >= 3, "killed after it"
    deliver(tmp_path, "last")
    assert len(list((tmp_path / ".versions").glob("2017-12-03-*"))) == 1


def test_a_full_disk_leaves_the_old_files(tmp_path: Path) -> None:
    deliver(tmp_path, "old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(NboError, match=r"cannot write .*2017-12-03: File too large; make room"):
            deliver(tmp_path, "new" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert (tmp_path / "latest" / "a").read_text() == "old"
    assert len(list((tmp_path / ".versions").iterdir())) == 1


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    place = tmp_path / "2017-12-03" / "index.html"
    delivery.new_file(place, "old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(NboError, match=r"File too large; make room .+the old file stays"):
            delivery.new_file(place, "new" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert place.read_text() == "old"
    assert [file.name for file in place.parent.iterdir()] == ["index.html"]
    delivery.new_file(place, "new")
    assert place.read_text() == "new"


def test_a_folder_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "2017-12-03").mkdir()
    with pytest.raises(NboError, match=r"cannot write .*2017-12-03"):
        deliver(tmp_path, "new")
