"""Declared tables: what a cell shows of the numbers that it finds, and which rows there are."""

import pytest

from benchmarks.pages import selection
from benchmarks.pages.goals import goals
from benchmarks.pages.selection import Selection
from benchmarks.pages.tables import tables
from twosome.errors import RunError
from twosome.report.numbers import Number, Results


def numbers_of(*numbers: Number) -> Results:
    return Results("twosome experiment my.toml", "2026-01-02", "a" * 40, {"cpu": "a CPU"}, numbers)


def seeds(what: str, method: str, *means: float | None, world: str = "A") -> list[Number]:
    return [Number(what, world, method, seed, mean) for seed, mean in enumerate(means, start=1)]


@pytest.fixture
def numbers(monkeypatch) -> Selection:
    found = numbers_of(
        *seeds("return", "ours", 0.5, 0.7, 0.9),
        *seeds("return", "theirs", 0.1, 0.2, 0.6),
        *seeds("return", "ours", 0.25, world="B"),
        *seeds("decisions to 90 %", "ours", 640, None, 512),
        Number("return", "A", "random", None, -0.00004, (-0.5, 0.25), 100),
        Number("drop", "A", "ours", 1, 0.004, (0.001, 0.009)),
        Number("drop", "A", "ours", 2, 0.02, (0.005, 0.03)),
        Number("seconds", "A", "ours", 1, 5400),
        *seeds("decisions to 90 %", "slow", 1000, 1000, None),
        *seeds("decisions", "ours", 700, 700, 700),
        *seeds("decisions", "slow", 4000, 4000, 4000),
    )
    monkeypatch.setattr(selection, "load", lambda name: found)
    return Selection(["mine"])


def cells(numbers: Selection, table: dict) -> list[list[str]]:
    """The rows of the Markdown, without the rule below the header."""
    lines = [line for line in tables(numbers, table).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "---" not in line]


@pytest.mark.parametrize(
    ("column", "shown"),
    [
        ({"show": "median"}, "0.700"),
        ({"show": "range"}, "0.500 to 0.900"),
        ({"show": "median (range)", "format": "{:.1f}"}, "0.7 (0.5 to 0.9)"),
        ({"show": "min", "format": "{:.0%}"}, "50%"),
        ({"show": "max", "scale": 100, "format": "{:.0f}"}, "90"),
        ({"show": "iqm"}, "0.700"),
        ({"show": "improvement", "than": "theirs"}, "89% (56% to 100%)"),
        ({"show": "improvement", "than": "ours"}, ""),
        ({"show": "value", "seed": 2}, "0.700"),
        ({"show": "value", "method": "random"}, "0.000"),  # and no -0.000
        ({"show": "interval", "method": "random", "format": "{:.2f}"}, "-0.50 to 0.25"),
        ({"show": "n", "method": "random"}, "100"),
        ({"show": "interval", "seed": 1}, "-"),
        ({"show": "median", "what": "decisions to 90 %", "format": "{:,.0f}"}, "640"),
        ({"show": "max", "what": "decisions to 90 %", "format": "{:,.0f}"}, "-"),  # a seed never got there
        ({"show": "verdicts", "what": "drop"}, "1 supported, 1 undecided"),
        ({"show": "verdict", "what": "drop", "seed": 1}, "supported"),
        ({"show": "value", "what": "not measured"}, ""),
    ],
)
def test_a_cell_shows_what_its_column_asks_for(numbers, column, shown):
    table = {
        "label": ["method", "{method}"],
        "rows": {"method": ["ours"]},
        "columns": [
            {"title": "x", "what": "return", "world": "A", **column},
            {"title": "", "what": "return", "show": "max"},
        ],
    }
    assert cells(numbers, table)[1][1] == shown


def test_one_number_is_not_chosen_among_several(numbers):
    column = {"title": "x", "what": "return", "world": "A", "show": "value"}
    with pytest.raises(SystemExit, match="3 numbers are meant"):
        tables(numbers, {"label": ["", "{method}"], "rows": {"method": ["ours"]}, "columns": [column]})


def test_rows_are_combinations_without_those_that_nothing_was_measured_of(numbers):
    table = {
        "label": ["world, method", "`{world}`, {method}"],
        "rows": {"world": ["A", "B"], "method": "*"},
        "columns": [{"title": "return", "what": "return", "show": "max"}],
        "note": "{source}, seeds {seeds}; {runs} runs, {hours} hours.",
    }
    assert [row[0] for row in cells(numbers, table)] == [
        "world, method",
        "`A`, ours",
        "`A`, theirs",
        "`A`, random",
        "`B`, ours",
    ]
    assert tables(numbers, table).endswith(
        "`twosome experiment my.toml`, 2026-01-02, commit aaaaaaa, a CPU, seeds 1, 2, 3; 1 runs, 1.50 hours."
    )


def test_a_table_is_split_by_a_key_and_its_rows_may_be_listed(numbers):
    table = {
        "split": "world",
        "parts": "*",
        "label": ["`{world}`", "{label}"],
        "rows": [{"method": "ours", "label": "the best"}],
        "columns": [{"title": "return", "what": "return", "show": "max", "format": "{:.2f}"}],
    }
    assert cells(numbers, table) == [["`A`", "return"], ["the best", "0.90"], ["`B`", "return"], ["the best", "0.25"]]


def test_a_goal_is_judged_against_the_better_of_the_others(numbers):
    goal = {"goal": "return", "wanted": "higher", "judge": "beats", "what": "return", "world": "A"}
    table = {"ours": {"ours": "ours", "nobody": "nobody"}, "goals": [{**goal, "than": ["random", "theirs"]}]}
    row = goals(numbers, table).splitlines()[-1]
    assert row == "| return | higher | 0.700 / 0.200, 89% of pairs | yes | not measured |  |"


def test_a_run_that_never_got_there_counts_as_its_whole_budget_in_a_difference(numbers):
    goal = {"goal": "sooner", "wanted": "fewer", "judge": "fewer", "what": "decisions to 90 %", "world": "A"}
    table = {"ours": {"ours": "ours"}, "goals": [{**goal, "than": ["slow"]}]}
    ours, slow = (640 + 700 + 512) / 3, (1000 + 1000 + 4000) / 3
    told, reached = goals(numbers, table).splitlines()[-1].split(" | ")[2:]
    assert told.startswith(f"{ours - slow:+,.0f} (")
    assert reached == "yes |"


def test_of_a_file_one_method_may_be_taken_alone(monkeypatch):
    found = numbers_of(*seeds("return", "ours", 0.5), *seeds("return", "theirs", 0.1))
    monkeypatch.setattr(selection, "load", lambda name: {"mine": found}[name])
    assert [number.method for number in Selection(["mine:theirs"]).find(what="return")] == ["theirs"]


def test_numbers_are_the_same_after_they_were_written_and_read(tmp_path):
    path = tmp_path / "mine.json"
    results = numbers_of(Number("return", "A", "ours", 1, 0.5, (0.25, 0.75), 100), Number("decisions to 90 %", "A"))
    results.save(path)
    assert Results.load(path) == results
    assert sum(line.startswith('  {"what"') for line in path.read_text().splitlines()) == 2  # a line for each


@pytest.mark.parametrize("content", ["[]", "{}", '{"rows": 3}', "no JSON"])
def test_a_file_without_results_is_named(tmp_path, content):
    (tmp_path / "mine.json").write_text(content)
    with pytest.raises(RunError, match=r"mine\.json' holds no results"):
        Results.load(tmp_path / "mine.json")
