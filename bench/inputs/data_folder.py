"""Where the public data sets lie: ``NBO_DATA``, or ``shared/data`` beside the project's folder."""

from __future__ import annotations

import os
from pathlib import Path

DATA = Path(os.environ.get("NBO_DATA", Path(__file__).parents[3] / "shared" / "data"))
