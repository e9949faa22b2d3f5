"""Modules in the current folder can be named, as in `--env light:home/Light-v0`."""

import os
import sys

import pytest

from twosome.cli import main


@pytest.fixture
def path(monkeypatch):
    """The search path of a console script, which lacks the current folder."""
    search = [entry for entry in sys.path if entry not in ("", os.getcwd())]
    monkeypatch.setattr(sys, "path", search)
    return search


def test_the_current_folder_is_searched_once_and_last(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = list(path)
    for words in (["--version", "light:home/Light"], ["--version", "--trust-env-module"]):
        assert main(words) == 0
        assert path == [*before, str(tmp_path)]


def test_the_current_folder_is_not_searched_where_no_environment_is_named_by_its_module(
    path, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    before = list(path)
    assert main(["--version"]) == 0
    assert path == before


def test_a_current_folder_that_is_gone_is_no_hindrance(path, tmp_path, monkeypatch, capsys):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    before = list(path)
    assert main(["--version", "light:home/Light"]) == 0
    assert path == before
