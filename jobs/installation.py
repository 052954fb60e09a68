"""What the DAGs take from the settings: the source, its time zone, and when they run.

DAG files have to stay light, so this stands on the standard library; PyYAML, which Airflow brings, is imported where it
is used.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

#: when the DAGs run where the settings do not say, in the source's zone
SCHEDULE = {"nightly": "04:00", "weekly": "0 10 * * mon", "monthly": "0 13 1 * *"}
SHIPPED = Path(__file__).parents[1] / "conf" / "nbo.yml"


@dataclass(frozen=True)
class Installation:
    """What DAGs need of the settings; ``conf`` checks all of them when a stage starts.

    ``nightly`` is the local time from which a night's exports are expected; ``weekly`` and ``monthly`` are cron
    expressions; all in ``timezone``, the source's.
    """

    source: str
    timezone: str
    history_starts: date
    exports: Path
    nightly: time
    weekly: str
    monthly: str

    def dag_arguments(self, **params: Any) -> dict[str, Any]:
        """Return the arguments that all DAGs share; ``params`` stand in the trigger form after the night."""
        from airflow.sdk import Param

        night = Param(None, type=["null", "string"], format="date", title="Night (YYYY-MM-DD)",
                      description=f"Last local day whose data counts, over in {self.timezone}. Empty: the newest that "
                      "is over and has exports.")  # fmt: skip
        first = self.history_starts
        return {
            # Airflow serialises this form of UTC
            "start_date": datetime(first.year, first.month, first.day, tzinfo=timezone.utc),  # noqa: UP017
            "catchup": False,
            "max_active_runs": 1,
            "params": {"run_date": night, **params},
        }

    def asset(self, name: str) -> dict[str, str]:
        """Return the name and address of an asset, which no other source's and no other team's DAG uses.

        Airflow keeps schemes that begin with ``x-`` for what its users define.
        """
        return {"name": f"nbo_{self.source}_{name}", "uri": f"x-nbo://{self.source}/{name}"}

    @property
    def standard_offset(self) -> int:
        """Seconds from UTC in the half of the year without summer time.

        By that clock every day has a midnight, and none comes before the local one; where clocks go forward at midnight
        (Santiago, Cairo, Beirut) a day has none by the local clock, and Airflow would skip that night.
        """
        noons = (datetime(2025, 1, 1, 12, tzinfo=ZoneInfo(self.timezone)) + timedelta(days=n) for n in range(365))
        return int(min(noon.utcoffset() or timedelta() for noon in noons).total_seconds())

    def is_due(self, night: str, now: datetime) -> bool:
        """Return whether the time has come at which the exports of ``night`` are expected."""
        morning = date.fromisoformat(night) + timedelta(days=1)
        return now >= datetime.combine(morning, self.nightly, tzinfo=ZoneInfo(self.timezone))


def installation(conf: str | None = None) -> Installation:
    """Read the few settings that DAGs need, from ``conf``, else ``NBO_CONF``, else the shipped file.

    Raises:
        ValueError: the file does not hold them; Airflow shows the message with the DAG's file.
    """
    file = Path(conf or os.environ.get("NBO_CONF") or SHIPPED).resolve()
    settings = _yaml(file)
    source = settings.get("source")
    if not isinstance(source, dict):  # looked for where ``conf.settings.load`` looks for it
        places = [folder / str(source) for folder in (file.parent, file.parent.parent, SHIPPED.parent)]
        source = _yaml(next((place for place in places if place.is_file()), places[0]))
    home = Path(os.environ.get("NBO_HOME") or settings.get("home") or "var")
    home = home if home.is_absolute() else file.parent.parent / home
    times = SCHEDULE | (settings.get("schedule") or {})
    try:
        ZoneInfo(source["timezone"])
        return Installation(
            source=source["name"],
            timezone=source["timezone"],
            history_starts=date.fromisoformat(str(source["history_starts"])),
            exports=Path(str(settings["exports"]).replace("{home}", str(home))),
            nightly=time.fromisoformat(times["nightly"]),
            weekly=times["weekly"],
            monthly=times["monthly"],
        )
    except (KeyError, TypeError, ValueError, ZoneInfoNotFoundError) as error:
        raise ValueError(f"{file} and its source do not say when DAGs run: {type(error).__name__}: {error}") from None


def _yaml(file: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.load(file.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"cannot read {file}: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{file} must hold a mapping; it holds {type(content).__name__}")
    return content
