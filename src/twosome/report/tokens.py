"""A page of what `twosome doctor` found, with the tokens of phrases colored by their log-probability.

It needs no other file. Every number stands in words as well: in the tables, and as the title of each token.
"""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from twosome.errors import visible
from twosome.files import write_bytes
from twosome.run_files import explain_write_errors

_SHOWN = 12
"""Decisions on the page."""
_STEPS = ((-1.0, 0), (-2.5, 1), (-5.0, 2), (-8.0, 3))
"""Log-probability down to which a token has a color; what is below has the last one."""
_STYLE = """
:root { color-scheme: light dark; --text: #222; --page: #fff; --line: #ddd; --dim: #666;
  --c0: #d9f0d9; --c1: #f3f0c6; --c2: #fbdcb0; --c3: #f7b9a4; --c4: #ee9090; }
@media (prefers-color-scheme: dark) { :root { --text: #ddd; --page: #181a1b; --line: #444; --dim: #999;
  --c0: #1d4a26; --c1: #4d4a16; --c2: #66450f; --c3: #6e3320; --c4: #7d2020; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: var(--text); background: var(--page); }
h2 { margin-top: 2rem; border-top: 1px solid var(--line); padding-top: 1rem; } .dim { color: var(--dim); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .2rem .8rem .2rem 0; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } td.phrase { text-align: left; line-height: 2.4; }
span.t { display: inline-block; padding: 0 .15rem; margin-right: 2px; border-radius: 3px; text-align: center; }
span.t small { display: block; line-height: 1; font-size: .65rem; }
.c0 { background: var(--c0); } .c1 { background: var(--c1); } .c2 { background: var(--c2); }
.c3 { background: var(--c3); } .c4 { background: var(--c4); }
"""


def save_tokens(document: Mapping[str, Any], path: Path) -> None:
    """Write the page.

    Args:
        document: an examination as plain JSON.
        path: the file; one that is there is replaced.

    Raises:
        RunError: it cannot be written.
    """
    title = f"{document['env']} as {document['model']} reads it"
    body = [
        f"<h1>{_text(title)}</h1>",
        "<h2>Recommendation</h2><ol>",
        *(f"<li>{_text(step)}</li>" for step in document["recommendation"]),
        "</ol><h2>Findings</h2>",
        *(_finding(finding) for finding in document["findings"]),
        "<h2>Untrained play</h2>",
        _play(document),
        "<h2>Phrases, token by token</h2>",
        '<p class="dim">Under each token its log-probability in nats, also as its title; the redder the background, '
        "the less expected.</p>",
        *(_sample(sample) for sample in document["samples"][:_SHOWN]),
    ]
    page = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{_text(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width">\n<style>{_STYLE}</style>\n</head>\n<body>\n'
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )
    with explain_write_errors(path.parent):
        write_bytes(path, page.encode(errors="backslashreplace"))


def _finding(finding: Mapping[str, Any]) -> str:
    effect = "not measured" if finding["effect"] is None else f"{finding['effect']:.2f}"
    return (
        f'<h3>{_text(finding["code"])} <span class="dim">effect {effect}</span></h3>'
        f"<p>{_text(finding['measured'])}<br>{_text(finding['remedy'])}</p>"
    )


def _play(document: Mapping[str, Any]) -> str:
    rows = [("random", {"entropy_share": 1.0, **document["random"]}), *document["untrained"].items()]
    cells = "".join(
        f"<tr><td>{_text(name)}</td><td>{row['entropy_share']:.0%}</td><td>{_number(row['return_mean'])}</td>"
        f"<td>{_interval(row['return_ci95'])}</td><td>{row['episodes']}</td></tr>"
        for name, row in rows
    )
    head = "<tr><th></th><th>entropy</th><th>return</th><th>95% interval</th><th>episodes</th></tr>"
    return f'<div class="wide"><table>{head}{cells}</table></div>'


def _sample(sample: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><td class="phrase">{"".join(map(_token, action["tokens"]))}</td>'
        f"<td>{sum(token['log_prob'] for token in action['tokens']):.2f}</td></tr>"
        for action in sample["actions"]
    )
    head = "<tr><th>phrase</th><th>log p</th></tr>"
    return f'<p>{_text(sample["prompt"])} …</p><div class="wide"><table>{head}{rows}</table></div>'


def _token(token: Mapping[str, Any]) -> str:
    logp = token["log_prob"]
    color = next((step for least, step in _STEPS if logp >= least), len(_STEPS))
    text = _text(token["token"].strip() or "_")
    return f'<span class="t c{color}" title="{logp:.2f} nats">{text}<small>{logp:.1f}</small></span>'


def _text(value: str) -> str:
    return escape(visible(value))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(bounds: Sequence[float] | None) -> str:
    return "-" if bounds is None else f"{bounds[0]:.3f} to {bounds[1]:.3f}"
