"""What the stage ``segments`` publishes."""

from __future__ import annotations

from conf.tables.offers import FILE_MEMBERS
from jobs.lake.tables import LakeTable

#: who is in which segment file
FILE_MEMBERSHIP = LakeTable("segments/file_members", FILE_MEMBERS)
