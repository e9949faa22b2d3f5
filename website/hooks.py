"""What MkDocs does to the pages of docs/ on their way into the site; they are written to be read raw, too.

README.md is the first page. A file of the repository that a page links to, such as `../src/twosome/minimal.py`, becomes
a page below `repository/`, so that no link of the site leads out of it; notebooks become pages, too.
`<!-- source: PATH -->` stands for a file's text. The tables of settings get what is written under each in
`TrainConfig`, and the reference is made from docstrings. Formulas become MathML, which browsers draw without a script.
"""

import html
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
LANGUAGES = {".py": "python", ".toml": "toml", ".sbatch": "bash", ".cff": "yaml"}
LINK = re.compile(r"\]\((?!\w+:)([^)\s#]+)(?=[)#])")
SOURCE = re.compile(r"<!-- source: (\S+) -->")
SETTING = re.compile(r"^\| (?:setting|`--([a-z-]+)`) \| (.*) \|$|^\|---\|---\|$", re.MULTILINE)
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


def on_files(files: "Files", *, config: Any) -> "Files":
    """Add the pages that do not lie in docs/."""
    from mkdocs.structure.files import File

    others = [*linked([README, *DOCS.rglob("*.md")]), *DOCS.rglob("*.ipynb")]
    pages = {site_path(path): page_of(path) for path in others}
    for name, text in {**pages, **reference()}.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: object) -> str:
    """Point the links of a page of docs/ to where in the site the files are, and put in what it leaves out."""
    path = DOCS / page.file.src_uri
    if not path.exists():
        return markdown
    markdown = with_settings(markdown) if path.name == "settings.md" else markdown
    return SOURCE.sub(lambda found: fenced(ROOT / found[1]), relinked(markdown, path))


def on_page_content(content: str, **_: object) -> str:
    """Formulas as MathML."""
    from latex2mathml.converter import convert

    return FORMULA.sub(
        lambda found: convert(html.unescape(found[3]), display="inline" if found[2] == "(" else "block"), content
    )


def links(path: Path) -> list[Path]:
    """The files of the repository that a page links to."""
    targets = (path.parent / target for target in LINK.findall(path.read_text("utf-8")))
    return [Path(os.path.normpath(target)) for target in targets if target.is_file()]


def linked(pages: Iterable[Path]) -> list[Path]:
    """The first page, and all files outside of docs/ that pages link to, or files that they link to, and so on."""
    found: dict[Path, None] = {README: None}
    waiting = list(pages)
    while waiting:
        for target in links(waiting.pop()):
            if not target.is_relative_to(DOCS) and target not in found:
                found[target] = None
                waiting += [target] if target.suffix == ".md" else []
    return list(found)


def site_path(path: Path) -> str:
    """Where in the site a file of the repository is."""
    if path == README:
        return "index.md"
    if path.is_relative_to(DOCS):
        return path.relative_to(DOCS).as_posix().replace(".ipynb", ".md")
    name = path.relative_to(ROOT).as_posix()
    return f"repository/{name}" if path.suffix == ".md" else f"repository/{name}.md"


def relinked(text: str, path: Path) -> str:
    """The text of a page with its links to files as they are in the site."""

    def moved(found: re.Match[str]) -> str:
        target = Path(os.path.normpath(path.parent / found[1]))
        if not target.is_file():
            return found[0]
        return f"]({os.path.relpath(site_path(target), os.path.dirname(site_path(path)))}"

    return LINK.sub(moved, text)


def page_of(path: Path) -> str:
    """A file of the repository as a page."""
    if path.suffix == ".md":
        return relinked(path.read_text("utf-8"), path)
    if path.suffix == ".ipynb":
        cells = json.loads(path.read_text("utf-8"))["cells"]
        texts = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
        return "\n\n".join(text if kind == "markdown" else f"```python\n{text}\n```" for kind, text in texts)
    return f"# {path.relative_to(ROOT).as_posix()}\n\n{fenced(path)}\n"


def fenced(path: Path) -> str:
    """A file as a block of code."""
    return f"````{LANGUAGES.get(path.suffix, 'text')}\n{path.read_text('utf-8')}\n````"


def with_settings(markdown: str) -> str:
    """Tables of settings with what each is by default and what it does, beside when to touch it."""
    from twosome.cli.settings import sentences
    from twosome.config import TrainConfig

    presets = {name: TrainConfig(env="", preset=name, threads=1) for name in ("default", "pretrained", "paper")}
    what = sentences(TrainConfig)

    def wider(found: re.Match[str]) -> str:
        if found[0].startswith("|---"):
            return "|---|---|---|---|"
        if found[1] is None:
            return "| setting | default | what it is | when to touch it |"
        name = found[1].replace("-", "_")
        values = {preset: _shown(getattr(config, name)) for preset, config in presets.items()}
        common = values.pop("default")
        others = [f"{preset}: {value}" for preset, value in values.items() if value != common]
        default = "" if name in NO_ONE_DEFAULT else "; ".join([common, *others])
        return f"| `--{found[1]}` | {default} | {what[name]} | {found[2]} |"

    return SETTING.sub(wider, markdown)


NO_ONE_DEFAULT = ("preset", "threads", "env")
"""What they are by default, their sentences say."""


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "" if value in (None, (), {}) else f"{value}"


def reference() -> dict[str, str]:
    """Pages made from docstrings: of what `import twosome` gives, of its errors, and of the environments."""
    import twosome
    from twosome.envs import FAMILIES, WRAPPED_MODULES

    names = [name for name in twosome.__all__ if name not in ("__version__", "envs")]
    api = ["# API", "What `import twosome` gives.", *(f"::: twosome.{name}" for name in names)]
    api += ["## Errors", "::: twosome.errors", "## Environments", "::: twosome.envs"]
    classes = [family.entry_point.replace(":", ".") for family in FAMILIES]
    envs = ["# Environments, from their docstrings", *(f"::: {name}" for name in [*classes, *WRAPPED_MODULES])]
    return {"reference/api.md": "\n\n".join(api), "reference/environments.md": "\n\n".join(envs)}
