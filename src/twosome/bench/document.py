"""What a result file says beside its numbers: the command, the date, the machine, the versions."""

import os
from collections.abc import Mapping
from datetime import date
from typing import Any

from twosome.versions import hardware, versions


def document(command: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """The content, with what it depends on. ``load_average`` is the machine's over the last 15 minutes."""
    return {
        "command": command,
        "date": date.today().isoformat(),
        "hardware": hardware(),
        "versions": versions(),
        "load_average": round(os.getloadavg()[2], 2),
        **content,
    }
