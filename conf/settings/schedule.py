"""When the DAGs run, in the source's time zone; ``jobs.installation`` reads the same for Airflow."""

from __future__ import annotations

from datetime import time
from typing import Annotated

from pydantic import Field, field_validator

from conf.settings.strict import Strict

#: five fields, as cron has them; Airflow reads them in full
Cron = Annotated[str, Field(pattern=r"^\S+( \S+){4}$")]


class Schedule(Strict):
    """Times of the DAGs; a run of the clock takes the last day that is complete in the source's zone."""

    nightly: str = Field(default="04:00", description="HH:MM, from which the exports of the day before are expected")
    weekly: Cron = Field(default="0 10 * * mon", description="cron of the training")
    monthly: Cron = Field(default="0 13 1 * *", description="cron of the catalogue's clustering")

    @field_validator("nightly")
    @classmethod
    def _time_of_day(cls, value: str) -> str:
        time.fromisoformat(value)
        return value
