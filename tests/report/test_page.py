"""Whatever a name or a cell holds, the page shows it as text."""

import pytest

from twosome.report.page import Heading, Paragraph, Picture, Table, save_page

HOSTILE = "<script>x</script> ](javascript:x) | `a` **b** __c__ d_e\n# $f$ &lt; \"' onload=x \\ https://e.f @g"
SHOWN = (
    r"&lt;script&gt;x&lt;/script&gt; \](javascript:x) \| \`a\` \*\*b\*\* \_\_c\_\_ d_e \# \$f\$ &amp;lt; "
    r"""\"' onload=x \\ https:\/\/e.f \@g"""
).replace('\\"', '"')


def pages(folder, *blocks):
    html, markdown = save_page([Heading("T", 1), *blocks], folder, "report")
    body = html.read_text().split("<body>\n<h1>T</h1>\n")[1].split("\n</body>")[0]
    return body, markdown.read_text().removeprefix("# T\n\n").removesuffix("\n")


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (Heading(HOSTILE), f"## {SHOWN}"),
        (Paragraph(HOSTILE), SHOWN),
        (Table([HOSTILE, "b"], [["1", HOSTILE]]), f"| {SHOWN} | b |\n| --- | ---: |\n| 1 | {SHOWN} |"),
        (Picture("a b).png", HOSTILE, b"png"), f"![{SHOWN}](a%20b%29.png)"),
    ],
)
def test_nothing_from_outside_becomes_markup(tmp_path, block, expected):
    html, markdown = pages(tmp_path, block)
    assert markdown == expected
    assert "<script" not in html
    assert '" onload' not in html
    assert html.count("&lt;script&gt;") == 1 + isinstance(block, Table)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a", r"\- a"),
        ("1. a", r"1\. a"),
        ("=====", r"\====="),
        ("    code", "code"),
        ("a\n\n> b", "a &gt; b"),
        ("0.250 to 0.500, a-b", "0.250 to 0.500, a-b"),
    ],
)
def test_no_paragraph_becomes_a_list_or_a_line(tmp_path, text, expected):
    assert pages(tmp_path, Paragraph(text))[1] == expected
