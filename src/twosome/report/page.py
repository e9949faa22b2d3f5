"""A page of headings, paragraphs, tables and pictures, written as HTML in one file and as Markdown.

Every text is text: whatever it holds, it becomes neither HTML nor Markdown.
"""

import base64
import html
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from twosome.files import ASIDE

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-top: 1px solid #ddd; padding-top: 1rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 0.9rem; }
th, td { padding: 0.25rem 0.8rem 0.25rem 0; text-align: right; border-bottom: 1px solid #e5e5e5; }
th:first-child, td:first-child { text-align: left; } img { max-width: 100%; } .note { color: #666; font-size: 0.9rem; }
"""


@dataclass(frozen=True)
class Heading:
    """A heading of level 1, 2 or 3."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table; the first column is text, the others are numbers."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """A PNG picture: the name of its file, what it shows, its content."""

    name: str
    shows: str
    png: bytes = field(repr=False)


Block = Heading | Paragraph | Table | Picture


def save_page(blocks: Sequence[Block], folder: Path, stem: str) -> tuple[Path, Path]:
    """Write FOLDER/STEM.html, which needs no other file, and FOLDER/STEM.md with its pictures beside it."""
    title = next(block.text for block in blocks if isinstance(block, Heading))
    body = "\n".join(_html(block) for block in blocks)
    page, text = folder / f"{stem}.html", folder / f"{stem}.md"
    document = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width">\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n'
        "</body>\n</html>\n"
    )
    markdown = "\n\n".join(_markdown(block) for block in blocks) + "\n"
    pictures = {folder / block.name: block.png for block in blocks if isinstance(block, Picture)}
    _write_all({page: document.encode(), text: markdown.encode(), **pictures})
    return page, text


def _write_all(files: Mapping[Path, bytes]) -> None:
    """Replace files once all are written aside, so that a full disk leaves every one of them as it was."""
    aside = {path: path.with_name(ASIDE + path.name) for path in files}
    try:
        for path, content in files.items():
            aside[path].unlink(missing_ok=True)
            with open(aside[path], "xb") as file:
                file.write(content)
        for path, written in aside.items():
            os.replace(written, path)
    finally:
        for left in aside.values():
            left.unlink(missing_ok=True)


def _html(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{html.escape(block.text)}</h{block.level}>"
    if isinstance(block, Paragraph):
        return f'<p class="note">{html.escape(block.text)}</p>'
    if isinstance(block, Picture):
        content = base64.b64encode(block.png).decode()
        return f'<img alt="{html.escape(block.shows)}" src="data:image/png;base64,{content}">'
    head = "".join(f"<th>{html.escape(name)}</th>" for name in block.header)
    rows = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in block.rows]
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {_plain(block.text)}"
    if isinstance(block, Paragraph):
        return _LIST_OR_LINE.sub(r"\1\\\2", _plain(block.text))
    if isinstance(block, Picture):
        return f"![{_plain(block.shows)}]({quote(block.name)})"
    header, *rows = [[_plain(cell) for cell in line] for line in (block.header, *block.rows)]
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


_MARKS = re.compile(r"[\\`*\[\]|~#$@]|(?<![^\W_])_|_(?![^\W_])|(?<=:)//|(?<=www)\.")
"""What can be Markdown within a line, addresses that become links by themselves among it."""
_LIST_OR_LINE = re.compile(r"^(\d*)([-+=]|[.)](?=\s|$))")
"""What can be Markdown at the beginning of a line, beside `_MARKS`."""


def _plain(text: str) -> str:
    """Markdown, in one line, that shows just this text."""
    line = html.escape(" ".join(text.split()), quote=False)
    return _MARKS.sub(lambda found: "".join("\\" + c for c in found[0]), line)
