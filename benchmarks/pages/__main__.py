"""Fill every marked place of README.md and docs/ from the result files, by the tables that the TOML files here declare.

    python -m benchmarks.pages          # rewrite the pages
    python -m benchmarks.pages --check  # exit with 1 where a page says something else than the results

A marked place is ``<!-- results:NAME -->`` and ``<!-- end -->``, each on a line of its own.
"""

import argparse
import re
import sys

from benchmarks.pages.declared import declared, made
from benchmarks.pages.files import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MARKED = re.compile(r"<!-- results:([a-z0-9-]+) -->\n(?:.*?\n)??<!-- end -->", re.DOTALL)


def filled(page: str) -> str:
    """The page with its marked places made from the results."""
    tables = declared()
    if unknown := {match[1] for match in MARKED.finditer(page)} - set(tables):
        raise SystemExit(f"no file in benchmarks/pages declares {', '.join(sorted(unknown))}, which a page marks.")
    return MARKED.sub(lambda match: f"<!-- results:{match[1]} -->\n{made(tables[match[1]])}\n<!-- end -->", page)


def main() -> int:
    """Rewrite or check the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = {path: text for path in PAGES if (text := filled(path.read_text())) != path.read_text()}
    for path, text in stale.items():
        print(f"{path.relative_to(ROOT)} {'differs from the results' if check else 'rewritten'}")
        if not check:
            path.write_text(text)
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
