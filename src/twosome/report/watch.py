"""The page of `twosome watch`: recorded episodes and the run's curves in one file, which needs no other and no network.

What the page shows is data beside its script, never markup: a script can only write it as text.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twosome.errors import visible
from twosome.files import write_bytes
from twosome.run_files import explain_write_errors

_PARTS = Path(__file__).parent / "watch_page"


def watch_page(document: Mapping[str, Any], *, connects: bool = False) -> str:
    """The page as text.

    Args:
        document: what `twosome.evaluate.watch.watched` returns; or ``{"live": True}`` where a server plays.
        connects: whether the page may ask the server that it comes from.
    """
    data = json.dumps(shown(document), allow_nan=False, separators=(",", ":"))
    # Neither the end of the script nor a comment can stand in the data: as JSON the escapes mean the same.
    data = data.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    page = (_PARTS / "page.html").read_text(encoding="utf-8")
    for name in ("watch.css", "watch.js"):
        page = page.replace(f"@@{name}@@", (_PARTS / name).read_text(encoding="utf-8"))
    page = page.replace("@@connects@@", "'self'" if connects else "'none'")
    return page.replace("@@data@@", data)


def save_watch_page(document: Mapping[str, Any], path: Path) -> int:
    """Write the page; returns its size in bytes.

    Raises:
        RunError: it cannot be written.
    """
    content = watch_page(document).encode(errors="backslashreplace")
    with explain_write_errors(path.parent):
        write_bytes(path, content)
    return len(content)


def shown(value: Any) -> Any:
    """The same with all texts as they may be shown, and what is not finite as none."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {key: shown(part) for key, part in value.items()}
    if isinstance(value, list):
        return [shown(part) for part in value]
    if isinstance(value, float) and not (float("-inf") < value < float("inf")):
        return None
    return value
