"""What a column's name says of it, in the words that shops and CRMs use, in English, German and Russian.

A name is compared in lower case with its signs as blanks; the first role whose words fit has it.
"""

from __future__ import annotations

import re

from jobs.source.look import Look, SampleColumn

#: canonical column -> pattern of the names; more telling ones first
_ORDER_LINES = {
    "order_id": r"(order|invoice|receipt|basket|transaction|deal|opportunity|check|bon|bestell|rechnung|"
    r"заказ\w*|чек\w*|"
    r"сделк\w*|документ\w*) ?(id|no|num|number|nr|nummer|key|ном\w*|код|№)|invoice|receipt|чек|"
    r"номер( (заказа|чека|документа|сделки))?|№|name|id|ид",
    "customer_id": r"(opportunity |deal |primary )?(customer|client|buyer|household|member|user|contact|kunde\w*|"
    r"покупател\w*|клиент\w*|контакт\w*|контрагент\w*) ?(id|no|num|number|nr|nummer|key|code|код|guid)|"
    r"(id|ид|код) (контакта|клиента|покупателя|контрагента)|card ?(id|no|number)|номер карты|customer|client|kunde|"
    r"клиент|покупатель|контрагент|(contact |customer |billing )?e ?mail",
    "product_id": r"(line ?)?(item ?)?(sku|ean|upc|gtin|article|artikel\w*|артикул|штрих ?код)( ?(id|no|code|nr|"
    r"nummer))?|"
    r"(line ?)?(item ?)?(product|item|goods|товар\w*|номенклатур\w*|variant) ?2?(id|no|num|code|number|key|код|"
    r" id)|"
    r"stock ?code|код (товара|номенклатуры)",
    "quantity": r"(line ?)?(item ?)?(qty|quantity|units?|menge|anzahl|pieces|кол ?во|количество)",
    "amount": r"(line ?|item ?)*(net |gross )?(net price|total|amount|sum|revenue|sales( ?value)?|paid|betrag|"
    r"umsatz|summe|сумма|"
    r"стоимость|выручка|бюджет)( ?(price|руб|eur|usd|р|продажи))*|(order |deal )(total|amount|sum)",
    "price": r"(line ?|item ?)*(gross )?(unit ?)?(price|preis|einzelpreis|цена)( руб| eur| usd)?",
    "discount": r"(line ?|item ?)*(discount|rabatt|скидк\w*)( ?(amount|sum|value))?",
    "ordered_at": r"(order(ed)?|created?|purchased?|transaction|invoice|sale|sold|close)? ?(date ?time|"
    r"timestamp|date|at|"
    r"datum|дата)( ?(created|gmt|utc|создания( сделки)?|заказа|продажи|чека|и время))?|(date|дата|datum) .*|"
    r"time|day",
    "store_id": r"(store|shop|branch|filiale|outlet|магазин\w*|склад\w*|торговая точка) ?(id|no|code|nr|key|код)?",
    "title": r"(line ?|item ?|product ?2?)*(name|title)|description|товар|номенклатура|наименование|услуга|titel|"
    r"bezeichnung",
}
_CUSTOMERS = {
    "customer_id": r"(customer|client|household|member|user|contact|account|record)? ?(id|no|number|code|key|"
    r"guid)|ид|код|"
    r"(код|ид) (клиента|контрагента|контакта)|kunden ?(nr|nummer)|id",
    "email": r"(e ?mail|mail)( ?address| work| рабочий)?|(рабочий |электронная )?(e ?mail|почта)",
    "phone": r"(mobile |work |home |рабочий |мобильный )?(phone|tel|telephone|mobile|handy|telefon|"
    r"телефон)( ?(number|no))?.*",
    "birth_date": r"(birth ?(date|day)|date of birth|dob|born|geburtsdatum|дата рождения|день рождения)",
    "gender": r"gender|sex|geschlecht|пол",
    "name": r"(full |customer |client |contact )?name|фио|имя|наименование|first ?name|имя клиента",
    "registered_on": r"(created?|registered|registration|member since|since|signup|дата (регистрации|создания)).*",
    "organization_id": r"(company|organization|account) ?(id|name)?|компания",
}
_PRODUCTS = {
    "product_id": _ORDER_LINES["product_id"] + r"|id|код|ид|handle",
    "title": r"(product |item )?(title|name|description)|наименование|название|товар|titel|bezeichnung|"
    r"номенклатура",
    "department": r"department|section|division|отдел|раздел|abteilung",
    "category": r"(product )?(category|group|categories|kategorie|warengruppe)|группа( товаров)?|категория",
    "product_type": r"(product )?type|sub ?category|тип( товара)?|подкатегория|вид( номенклатуры)?",
    "brand": r"brand|vendor|marke|бренд|марка",
    "manufacturer": r"manufacturer|hersteller|производитель",
    "size": r"(package )?size|volume|weight|größe|размер|объ[её]м|вес|упаковка",
    "price": r"(unit |list |retail |variant )?(price|preis|цена)",
}
_CONSENTS = {
    "customer_id": _ORDER_LINES["customer_id"] + "|id",
    "channel": r"channel|kanal|канал( связи)?",
    "purpose": r"purpose|zweck|цель",
    "granted": r"granted|consent|opt ?in|subscribed|status|согласие|подписан|einwilligung|accepts marketing",
    "changed_at": r"(changed|updated|decided|timestamp|date|дата).*",
}
ROLES = {"order_lines": _ORDER_LINES, "customers": _CUSTOMERS, "products": _PRODUCTS, "consents": _CONSENTS}
#: what a table cannot do without; alternatives are in one set
NEEDED: dict[str, list[set[str]]] = {
    "consents": [{"customer_id"}, {"channel"}, {"granted"}],
    "order_lines": [{"customer_id"}, {"ordered_at"}, {"amount", "price"}, {"product_id", "title"}],
    "products": [{"product_id"}, {"title", "category", "product_type"}],
    "customers": [{"customer_id", "email"}, {"email", "phone", "name", "registered_on", "birth_date", "gender"}],
}
_KINDS = {
    "quantity": {"number"},
    "amount": {"number"},
    "price": {"number"},
    "discount": {"number", "nothing"},
    "ordered_at": {"date", "moment"},
    "registered_on": {"date", "moment"},
    "birth_date": {"date", "moment"},
    "changed_at": {"date", "moment"},
    "email": {"mail"},
}
CANCELLED = re.compile(
    r"cancel|annul|void|storn|отмен|аннул|провал|не реализ|удал|abandon|lost|failed|trash|draft", re.IGNORECASE
)
PERSONAL = re.compile(
    r"mail|phone|tel|mobile|(first|last|full|billing|contact) ?name|surname|birth|born|address|street|zip|"
    r"postal|passport|"
    r"основной контакт|почт|телефон|фамили|имя|отчество|рожден|адрес|улица|индекс|паспорт|снилс|\bинн\b|geburt|"
    r"stra(ss|ß)e|vorname|nachname",
    re.IGNORECASE,
)


def roles(looked: Look, table: str) -> dict[str, SampleColumn]:
    """Return which column seems to fill which canonical one, of a table or of those that help to fill it."""
    by_role: dict[str, SampleColumn] = {}
    taken: set[str] = set()
    for role, pattern in ROLES[table].items():
        fits = [
            column
            for column in looked.columns
            if column.name not in taken
            and column.kind in _KINDS.get(role, {column.kind})
            and re.fullmatch(pattern, plain(column.name))
        ]
        if fits:
            most = max(len(column.values) for column in fits)
            by_role[role] = max(fits, key=lambda column: (len(column.values) >= 0.9 * most, *_fitness(role, column)))
            taken.add(by_role[role].name)
    return by_role


def _fitness(role: str, column: SampleColumn) -> tuple[bool, ...]:
    """Return what speaks for a column where several fit: a moment, a key, a value of the line; then the first one."""
    words = plain(column.name)
    key = role.endswith("_id") and bool(re.search(r"\b(id|no|number|code|sku|код|номер|ид|nr)\b", words))
    created = bool(re.search(r"creat|order|созда|заказ", words))
    of_order = role == "order_id" and bool(re.match(r"order|deal|opportunity|invoice|номер|заказ", words))
    return column.kind == "moment", key, of_order, bool(re.search(r"\b(line|item)", words)), created


def table_of(looked: Look) -> str | None:
    """Return the canonical table that an export seems to be; None where nothing fits."""
    for table, needed in NEEDED.items():
        names = set(roles(looked, table))
        if all(names & alternatives for alternatives in needed):
            return table
    return None


def plain(name: str) -> str:
    """Return a column's name in lower case, with blanks between its words.

    >>> plain("OrderID"), plain("Сумма, руб."), plain("line_item-SKU")
    ('order id', 'сумма руб', 'line item sku')
    """
    words = re.sub(r"(?<=[a-zа-яё])(?=[A-ZА-ЯЁ])", " ", name)
    return " ".join(re.sub(r"[^\w№]+|_", " ", words).lower().split())


def is_personal(column: SampleColumn) -> bool:
    """Return whether a column seems to hold personal data, by its name or its values."""
    name = plain(column.name)
    is_key = bool(re.search(r"\b(id|no|code|код|номер|sku)\b", name))
    return column.kind == "mail" or (column.kind == "phone" and not is_key) or bool(PERSONAL.search(name))
