"""What is drafted from files alone, and that a draft is a valid source."""

from __future__ import annotations

import json
import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from conf.errors import ConfigError
from conf.settings.load import load, read_yaml
from conf.settings.source import Source
from jobs.cli import main
from jobs.source.draft import slug
from jobs.source.look import look

EXAMPLES = Path(__file__).parent / "examples"
READY = Path(__file__).parents[3] / "conf" / "sources" / "examples"


def drafted(files: list[Path], out: Path) -> Source:
    """The source that `nbo source init` drafts."""
    assert main(["source", "init", *map(str, files), "--out", str(out), "--timezone", "Europe/Moscow"]) == 0
    return load(out / "nbo.yml").source


#: of each example: order, customer, product, amount and what takes a line back
DRAFTS = {
    "shopify_orders": (
        "Name",
        "Email",
        "`Lineitem sku`",
        "coalesce(`Lineitem quantity`, 1) * `Lineitem price` - coalesce(`Lineitem discount`, 0)",
        "voided",
    ),
    "woocommerce_orders": ("order_id", "customer_id", "item_product_id", "item_total", "wc-cancelled"),
    "bitrix24_deals": ("ID", "`Контакт: ID`", "`Товар: ID`", "`Сумма`", "Сделка провалена"),
    "amocrm_leads": ("ID", "`ID контакта`", "`Услуга`", "`Бюджет`", "Закрыто и не реализовано"),
    "1c_sales": ("`Номер`", "`Контрагент.Код`", "`Номенклатура.Код`", "`Сумма, руб.`", ""),
    "hubspot_line_items": ("`Deal ID`", "`Contact ID`", "SKU", "`Net price`", "Closed lost"),
    "salesforce_line_items": ("OpportunityId", "`Opportunity.ContactId`", "ProductCode", "TotalPrice", "true"),
}


@pytest.mark.parametrize("name", DRAFTS)
def test_the_columns_of_usual_exports_are_recognised(name: str, tmp_path: Path) -> None:
    order, customer, product, amount, back = DRAFTS[name]
    main(["source", "init", str(EXAMPLES / f"{name}.csv"), "--out", str(tmp_path / "out")])
    [part] = read_yaml(tmp_path / "out" / "sources" / "shop.yml")["tables"]["order_lines"]["parts"]
    result = part["columns"]
    assert (result["order_id"], result["customer_id"], result["product_id"], result["amount"]) == (
        order,
        customer,
        product,
        amount,
    )
    assert back in part["where"] if back else "coalesce" not in part["where"]
    assert part["where"].endswith("<= _ds")


def test_a_draft_loads_and_says_what_to_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "crm"
    for number in range(21):
        day = date(2026, 3, 2) + timedelta(days=number)
        if day.weekday() < 5:
            folder = root / f"{day:%Y%m%d}"
            folder.mkdir(parents=True)
            text = "no;kunde;sku;menge;betrag;datum\n" + "".join(
                f"{number}-{i};K{i};T{i % 3};1;1.0{i}0,50;{day:%d.%m.%Y}\n" for i in range(8)
            )
            (folder / f"Verkäufe_{day:%Y%m%d}.csv").write_text(text.replace("no;", "order_no;"), encoding="cp1252")
    (root / "products.csv").write_text("sku,title,category\nT0,Tea,Drinks\nT1,Cup,Home\nT2,Pot,Home\n")
    (root / "people.csv").write_text("id,email,phone\nK1,a@example.org,+49 30 1234567\nK2,b@example.org,\n")
    source = drafted([root], tmp_path / "out")
    text = (tmp_path / "out" / "sources" / "shop.yml").read_text()
    assert source.closed_weekdays == ["sat", "sun"]
    assert source.history_starts == date(2026, 3, 2)
    sales = source.exports["verk_ufe"]
    assert sales.path == "{date:%Y%m%d}/Verkäufe_{date:%Y%m%d}.csv"
    assert (sales.csv.delimiter, sales.schedule) == (";", "daily")
    assert sales.numbers is not None
    assert (sales.numbers.decimal, sales.numbers.thousands) == (",", ".")
    assert sales.stamps is not None
    assert sales.stamps.formats == ["dd.MM.yyyy"]
    lines = source.tables["order_lines"].parts[0].columns
    assert (lines["order_id"], lines["customer_id"], lines["product_id"]) == ("order_no", "kunde", "sku")
    assert source.tables["products"].parts[0].mode == "snapshot"
    assert source.tables["customers"].parts[0].columns["email"] == "email"
    assert "# CHECK: no export of consents was seen" in text
    assert "# seem personal: email, phone" in text
    settings = load(tmp_path / "out" / "nbo.yml")
    assert [label.label for label in settings.propensities.labels][:2] == ["comes_back", "becomes_paying"]
    assert "buys in Home" in [label.title for label in settings.propensities.labels]
    # the upper quartile of 1,000.50 to 1,070.50, the spend of the eight customers of the file that was looked at
    assert settings.segments.segments[0].where.endswith("(is_valuable or spend_365 >= 1058)")
    assert "verk_ufe" not in capsys.readouterr().err


def test_looks_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("ид;город\n1;Тверь\n2;Калуга\n".encode("cp1251"))
    rows = [{"id": 1, "at": "2026-03-02T10:00:00Z"}, {"id": 2, "at": None}]
    (tmp_path / "b.json").write_text(json.dumps({"meta": 1, "rows": rows}))
    assert look(tmp_path / "a.csv", "csv").csv.encoding == "cp1251"
    result = look(tmp_path / "b.json", "json")
    assert (result.records, result.rows, [column.kind for column in result.columns]) == (
        "rows",
        2,
        ["number", "moment"],
    )


def test_faults_of_init_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert main(["source", "init", str(tmp_path / "none"), "--out", str(tmp_path / "o")]) == ConfigError.exit_code
    assert "there is no" in caplog.text
    (tmp_path / "readme.md").write_text("x")
    assert main(["source", "init", str(tmp_path), "--out", str(tmp_path / "o")]) == ConfigError.exit_code
    assert "no CSV, JSON, Parquet or Excel file is at" in caplog.text
    shutil.copy(EXAMPLES / "shopify_orders.csv", tmp_path)
    assert main(["source", "init", str(tmp_path), "--out", str(tmp_path)]) == ConfigError.exit_code
    assert "is not empty" in caplog.text


@pytest.mark.parametrize("file", sorted(READY.glob("*.yml")), ids=lambda file: file.stem)
def test_a_ready_source_is_short_and_valid(file: Path) -> None:
    Source.model_validate(read_yaml(file))
    assert len(file.read_text().splitlines()) < 60


def test_slugs() -> None:
    assert slug(Path("Заказы_2026.csv")) == "zakazy"
