"""How a table is declared: one declaration gives schemas, DDL, comments and the data dictionary.

Types are Spark SQL names: ``string int long double boolean date timestamp decimal(p,s)``,
``array<string>``, ``array<int>``, ``array<float>`` and ``map<string,string>``.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Column:
    """A column: ``about`` gives meaning and unit; ``personal`` values are never logged or shown."""

    name: str
    type: str
    about: str
    nullable: bool = True
    personal: bool = False


@dataclass(frozen=True)
class Table:
    """A table: ``grain`` says what a row is, ``key`` is unique, ``partition`` is an event's date column.

    ``newest_only``: a published night takes the place of all nights before it.
    """

    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    partition: str | None = None
    newest_only: bool = False
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Refuse a key or a partition that is no column."""
        object.__setattr__(self, "names", tuple(column.name for column in self.columns))
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"table {self.name}: a column is declared twice; have {self.names}")
        unknown = {*self.key, *([self.partition] if self.partition else [])} - set(self.names)
        if unknown:
            raise ValueError(f"table {self.name}: key or partition {sorted(unknown)} is no column")

    def column(self, name: str) -> Column:
        """Return the declaration of column ``name``.

        Raises:
            KeyError: there is no such column.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"table {self.name} has no column {name}; have {self.names}")
