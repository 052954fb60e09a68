"""A whole night on a slice of the demonstration: repeated, and killed in the middle of every stage.

``NBO_NIGHT_HOME`` names a home in which ``make nightly`` has left such a night; without it the night is made here.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pytest
import yaml

from conf.settings.load import DEFAULT, load
from jobs.child import command
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.stages import Stage

pytestmark = pytest.mark.night
NIGHT = date(2017, 12, 3)
HOUSEHOLDS = "120"


@dataclass(frozen=True)
class Installation:
    """A home with its configuration, worked on as a user would: by the command line."""

    home: Path
    conf: Path

    @property
    def lake(self) -> Lake:
        return Lake(str(self.home / "lake"))

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "NBO_HOME": str(self.home), "NBO_CONF": str(self.conf), "PYTHONWARNINGS": "ignore"}

    def nbo(self, *arguments: str) -> str:
        line = [sys.executable, "-m", "jobs.cli", *arguments]
        done = subprocess.run(line, env=self.environment, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, f"nbo {' '.join(arguments)}: {done.returncode}\n{done.stderr[-20000:]}"
        return done.stdout + done.stderr

    def manifest(self, stage: Stage, day: date) -> Manifest:
        return self.lake.need(stage, day)


def small_models(folder: Path) -> Path:
    """Copy the shipped configuration, with small models."""
    shutil.copytree(DEFAULT.parent, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    models = yaml.safe_load((folder / "models.yml").read_text())
    models |= {"train_windows": 2, "max_epochs": 3, "bootstrap_rounds": 200, "characteristic_min_buyers": 30}
    (folder / "models.yml").write_text(yaml.safe_dump(models))
    return folder / "nbo.yml"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation with one night."""
    given = os.environ.get("NBO_NIGHT_HOME")
    if given:
        return Installation(Path(given), DEFAULT)
    made = Installation(tmp_path_factory.mktemp("home"), small_models(tmp_path_factory.mktemp("conf") / "conf"))
    made.nbo("demo", "--households", HOUSEHOLDS)
    made.nbo("nightly", "--ds", str(NIGHT))
    return made


def killed_in_the_middle(made: Installation, stage: Stage, day: date, wait: float, *options: str) -> bool:
    """Start a stage, kill it ``wait`` seconds after it began its work, and tell whether it was still running."""
    child = subprocess.Popen(
        [*command(stage, str(day)), *options], env=made.environment, stderr=subprocess.PIPE, text=True
    )
    assert child.stderr is not None
    for line in child.stderr:
        if "started" in line:
            break
    time.sleep(wait)
    child.send_signal(signal.SIGKILL)
    child.stderr.read()
    return child.wait() == -signal.SIGKILL


def test_a_night_leaves_scores_files_and_a_report(reference: Installation) -> None:
    with sqlite3.connect(reference.home / "nbo.db") as database:
        customers, offers = database.execute("select customers, offers from nightly_runs").fetchone()
        (current,) = database.execute("select count(*) from current_next_best_offer").fetchone()
        (fewest,) = database.execute(
            "select min(n) from (select count(distinct offer_id) n from next_best_offer group by customer_id)"
        ).fetchone()
    assert customers > 100
    assert current == offers == 5 * customers
    assert fewest == 5
    assert (reference.home / "reports" / str(NIGHT) / "index.html").stat().st_size > 20_000
    assert reference.manifest(Stage.TRAIN, NIGHT).facts["leaking"] == {}  # no input knows later days


def test_no_file_holds_a_customer_who_may_not_be_contacted(reference: Installation) -> None:
    with sqlite3.connect(reference.home / "nbo.db") as database:
        actual = database.execute("select customer_id, treatment, contactable from customer_scores").fetchall()
    policy = load(reference.conf).policy
    barred = {who for who, _, contactable in actual if not contactable}
    control = {
        who
        for who, _, _ in actual
        if int(hashlib.sha256(f"{policy.control_salt}:{who}".encode()).hexdigest()[:8], 16) / 2**32
        < policy.control_share
    }
    assert control == {who for who, treatment, _ in actual if treatment == "control"}
    folder = reference.home / "outbox" / str(NIGHT)
    files = json.loads((folder / "manifest.json").read_text())["files"]
    listed = []
    for file in files:
        with (folder / file["file"]).open(encoding="utf-8-sig", newline="") as stream:
            rows = [row["customer_id"] for row in csv.DictReader(stream)]
        assert len(rows) == file["rows"]
        listed += rows
    assert len(control) > 2
    assert set(listed) <= {who for who, *_ in actual} - control - barred
    assert len(set(listed)) > 20
    assert sum(file["suppressed"].get("control group", 0) for file in files) > 0
    assert max(Counter(listed).values()) <= policy.max_contacts


def test_every_number_in_a_reason_is_in_the_tables(reference: Installation) -> None:
    """All rows of the night: purchases, days, shares and redemptions are counted again from ``clean/``."""
    with duckdb.connect() as engine:
        for name in ("order_lines", "products", "offer_products", "responses"):
            if reference.lake.has(f"clean/{name}", NIGHT):
                engine.register(name, reference.lake.dataset(f"clean/{name}", NIGHT))
        engine.register("offers", reference.lake.dataset("scores/next_best_offer", NIGHT))
        engine.register("segments", reference.lake.dataset("features/segments", NIGHT))
        engine.execute(f"create view sold as select * from order_lines where ordered_on <= date '{NIGHT}'")
        engine.execute(f"create view printed as {PRINTED}")
        wrong = {name: engine.execute(query.format(night=NIGHT)).fetchall() for name, query in RECOUNTED.items()}
        counted = engine.execute(
            "select count(*), count(times), count(segment_share), count(redeemed) from printed"
        ).fetchone()
    assert {name: rows[:3] for name, rows in wrong.items() if rows} == {}
    assert counted is not None
    assert counted[0] > 500
    assert counted[1] > 100


#: the numbers of the sentences
PRINTED = r"""
select customer_id, offer_id, offer_kind, reason,
       case when reason like 'Bought %' or reason like '%Bought in its scope%' then
            case when reason like '%scope once%' or reason like 'Bought once%' then 1
                 when reason like '%scope twice%' or reason like 'Bought twice%' then 2
                 else regexp_extract(reason, 'Bought (?:in its scope )?(\d+) times', 1)::int end end as times,
       case when reason like '%last bought today%' then 0 when reason like '%last bought yesterday%' then 1
            else nullif(regexp_extract(reason, 'last bought (\d+) days ago', 1), '')::int end as days,
       nullif(regexp_extract(reason, '(\d+) % of the customers in the segment', 1), '')::int as segment_share,
       nullif(regexp_extract(reason, 'in the segment "([^"]*)"', 1), '') as segment,
       nullif(regexp_extract(reason, '(\d+) % of active customers', 1), '')::int as active_share,
       case when reason like '%has not been redeemed yet%' then 0
            when reason like '%been redeemed once%' then 1 when reason like '%been redeemed twice%' then 2
            else nullif(regexp_extract(reason, 'been redeemed (\d+) times', 1), '')::int end as redeemed,
       case when offer_kind = 'product_type' then substr(offer_id, 6) end as product_type
from offers
"""
#: what a query returns is printed wrongly
RECOUNTED = {
    "times and days of product types": """
        with bought as (
            select customer_id, product_type, count(distinct (order_id, ordered_on)) as orders,
                   date_diff('day', max(ordered_on), date '{night}') as since
            from sold join products using (product_id) where not is_return and offerable group by all)
        select printed.*, orders, since from printed left join bought using (customer_id, product_type)
        where offer_kind = 'product_type' and (times is distinct from orders or days is distinct from since)
    """,
    "times and days of coupons": """
        with bought as (
            select customer_id, offer_id, count(distinct (order_id, ordered_on)) as orders,
                   date_diff('day', max(ordered_on), date '{night}') as since
            from sold join (select distinct offer_id, product_id from offer_products) using (product_id)
            where not is_return group by all)
        select printed.*, orders, since from printed left join bought using (customer_id, offer_id)
        where offer_kind = 'coupon' and (times is distinct from orders or days is distinct from since)
    """,
    "shares of segments": """
        with members as (select segment_name as segment, count(*) as members from segments group by 1),
        bought as (
            select segment_name as segment, product_type, count(distinct customer_id) as buyers
            from sold join products using (product_id) join segments using (customer_id)
            where not is_return and offerable and ordered_on > date '{night}' - 28 group by all)
        select printed.*, buyers, members from printed left join members using (segment)
        left join bought using (segment, product_type)
        where segment_share is not null and abs(segment_share - 100 * coalesce(buyers, 0) / members) > 0.51
    """,
    "shares of active customers": """
        with active as (
            select count(distinct customer_id) as active from sold where not is_return
            and ordered_on > date '{night}' - 84),
        bought as (
            select product_type, count(distinct customer_id) as buyers from sold join products using (product_id)
            where not is_return and offerable and ordered_on > date '{night}' - 28 group by all)
        select printed.*, buyers, active from printed cross join active left join bought using (product_type)
        where active_share is not null and abs(active_share - 100 * coalesce(buyers, 0) / active) > 0.51
    """,
    "redemptions of coupons": """
        with taken as (
            select offer_id, count(*) as responses from responses
            where kind = 'redeemed' and responded_on <= date '{night}' group by 1)
        select printed.*, responses from printed left join taken using (offer_id)
        where offer_kind = 'coupon' and redeemed <> coalesce(responses, 0)
    """,
}


def test_what_is_offered_may_be_offered_and_is_one_thing(reference: Installation) -> None:
    with duckdb.connect() as engine:
        for name in ("products", "offer_products"):
            engine.register(name, reference.lake.dataset(f"clean/{name}", NIGHT))
        engine.register("offers", reference.lake.dataset("scores/next_best_offer", NIGHT))
        offered = (
            "select product_id from offers join products on offer_id = 'type:' || product_type union "
            "select product_id from offers join offer_products using (offer_id)"
        )
        words = "cigar|tobacco|snuff|beer|wine|liquor|spirits|analgesic|laxative|pharmacy|infant formula"
        restricted = engine.execute(
            f"select distinct department, category, product_type from ({offered}) join products using (product_id) "
            f"where regexp_matches(lower(concat_ws(' / ', department, category, product_type)), '\\b({words})') "
            "and not regexp_matches(lower(product_type), 'root beer|vinegar')"
        ).fetchall()
        spanning = engine.execute(
            "select product_type, count(distinct category) as n from products where product_type is not null "
            "group by 1 having n > 1"
        ).fetchall()
        titles = engine.execute(
            "select offer_title from offers where offer_title like '%other product type%'"
        ).fetchall()
        coupons = engine.execute(
            "select count(*) from offers where offer_kind = 'coupon' and propensity <> response_probability"
        ).fetchone()
    assert (restricted, spanning, titles, coupons) == ([], [], [], (0,))


def test_files_hold_one_customer_once_with_an_offer_that_pays(reference: Installation) -> None:
    folder = reference.home / "outbox" / str(NIGHT)
    rows = []
    for file in json.loads((folder / "manifest.json").read_text())["files"]:
        with (folder / file["file"]).open(encoding="utf-8-sig", newline="") as stream:
            rows += list(csv.DictReader(stream))
        with (folder / file["changes_file"]).open(encoding="utf-8-sig", newline="") as stream:
            changed = {row["customer_id"] for row in csv.DictReader(stream) if row["change"] != "left"}
        assert changed == {row["customer_id"] for row in rows if row["segment"] == file["slug"]}
    assert max(Counter(row["customer_id"] for row in rows).values()) == 1
    assert min(float(row["expected_value"]) for row in rows) > 0
    with sqlite3.connect(reference.home / "nbo.db") as database:
        listed = database.execute("select segment, customer_id from current_file_members").fetchall()
        control = database.execute(
            "select count(*) from customer_scores where treatment = 'control' and (contactable or blocked_by is null)"
        ).fetchone()
        about = database.execute(
            "select about from data_dictionary where table_name = 'next_best_offer' and column_name = 'propensity'"
        ).fetchone()
    assert sorted(listed) == sorted((row["segment"], row["customer_id"]) for row in rows)
    assert control == (0,)
    assert about is not None


def test_the_same_night_again_changes_nothing(reference: Installation) -> None:
    before = {stage: reference.manifest(stage, NIGHT) for stage in Stage}
    reference.nbo("nightly", "--ds", str(NIGHT))
    assert {stage: reference.manifest(stage, NIGHT) for stage in Stage} == before


@pytest.mark.parametrize("stage", list(Stage), ids=str)
def test_killed_in_the_middle_the_old_version_stays_and_a_rerun_gives_equal_rows(
    reference: Installation, stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    before = reference.manifest(stage, NIGHT)
    if stage is Stage.TRAIN:  # a forced one only pins its champions, once they are trained
        killed = killed_in_the_middle(reference, stage, NIGHT, 15.0, "--retrain")
    else:
        killed = killed_in_the_middle(reference, stage, NIGHT, min(before.seconds * 0.35, 5.0), "--force")
    if killed:  # a stage that takes a fraction of a second may have come through before the signal
        assert reference.manifest(stage, NIGHT) == before
        with capsys.disabled():
            print(f"\n{stage} was killed in the middle")
    reference.nbo(str(stage), "--ds", str(NIGHT), "--force")
    after = reference.manifest(stage, NIGHT)
    assert after.version != before.version
    assert {name: table.content for name, table in after.tables.items()} == {
        name: table.content for name, table in before.tables.items()
    }
    assert killed or before.seconds < 3


def test_a_customer_s_offers_are_printed_with_reasons(reference: Installation) -> None:
    with sqlite3.connect(reference.home / "nbo.db") as database:
        (customer,) = database.execute("select max(customer_id) from customer_scores").fetchone()
    assert customer in reference.nbo("offers", customer)
