"""Writes the training sets that one pass over the clean layer gives in all windows: series, labels and visits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from pyspark.sql import functions as F

from features.customers.label_history import label_history, scope_series
from features.customers.orders import orders
from features.customers.purchase_series import basket_series, purchase_series
from features.customers.series_labels import Horizons
from features.customers.visits import actions
from features.lines import lines
from jobs.train.sets.set_source import SetSource
from training import registry
from training.spec import loaded

#: more visits than a customer has
_ALL_VISITS = 1_000_000


def series_days(source: SetSource) -> list[date]:
    """Return the days of ``purchase_series``, newest first: the windows, and the days that the models declare."""
    declared = [spec.days for spec in registry.specs() if spec.days is not None]
    days = {*source.windows.all}.union(*(loaded(of)(source.windows, source.settings.models) for of in declared))
    return sorted(days, reverse=True)


def write_series(source: SetSource) -> None:
    """Write the set ``purchase_series``: customers and the series of their baskets."""
    settings, models = source.settings, source.settings.models
    orders_until = source.clean["order_lines"].where(F.col("ordered_on") <= F.lit(source.day))
    baskets = orders(lines(orders_until, source.clean["products"]), settings.source.timezone)
    days = [source.only] if source.only else series_days(source)
    series = source.sample(basket_series(baskets), models.max_customers)
    horizons = Horizons(settings.horizon_days, models.value_days, (source.day - date(1970, 1, 1)).days)
    purchase_series(series, days, horizons).write.parquet(f"{source.target}/purchase_series")


def write_labels(source: SetSource) -> None:
    """Write the set ``labels``: customers and the propensities in whose scopes they bought."""
    settings = source.settings
    scopes = settings.propensities.scopes
    if not scopes:
        return
    until_night = source.clean["order_lines"].where(F.col("ordered_on") <= F.lit(source.day))
    series = source.sample(scope_series(until_night, source.clean["products"], scopes), settings.models.max_customers)
    days = (source.only,) if source.only else source.windows.all
    label_history(series, days, settings.horizon_days).write.parquet(f"{source.target}/labels")


def write_visits(source: SetSource) -> None:
    """Write the set ``visits``: every visit up to the night, from which any window can be cut."""
    sold = lines(source.clean["order_lines"], source.clean["products"])
    series = actions(sold, source.day, most=_ALL_VISITS)
    source.write(source.sample(series, source.settings.models.max_customers), "visits", source.day)


#: the sets by name
WRITERS: dict[str, Callable[[SetSource], None]] = {
    "purchase_series": write_series,
    "labels": write_labels,
    "visits": write_visits,
}
