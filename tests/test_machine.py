"""Threads for a model: what a process may use of a machine, whatever else is running."""

import os

import pytest

from twosome import machine


@pytest.fixture
def allowed(monkeypatch, tmp_path):
    """Eight processors, two of each core, of which some are allowed to this process; no quota."""
    for cpu in range(8):
        (tmp_path / f"cpu{cpu}" / "topology").mkdir(parents=True)
        (tmp_path / f"cpu{cpu}" / "topology" / "thread_siblings_list").write_text(f"{cpu % 4},{cpu % 4 + 4}\n")
    monkeypatch.setattr(machine, "_TOPOLOGY", tmp_path)
    monkeypatch.setattr(machine, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)

    def allow(*cpus: int) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(cpus), raising=False)

    return allow


def test_the_second_thread_of_a_core_does_not_count(allowed):
    allowed(*range(8))
    assert machine.physical_cores() == 4
    allowed(0, 4, 1)
    assert machine.physical_cores() == 2


def test_where_the_system_does_not_tell_each_processor_is_a_core(allowed, monkeypatch, tmp_path):
    allowed(0, 4, 1)
    monkeypatch.setattr(machine, "_TOPOLOGY", tmp_path / "nowhere")
    assert machine.physical_cores() == 3


@pytest.mark.parametrize(("quota", "cores"), [("250000 100000", 2), ("50000 100000", 1), ("max 100000", 4), ("", 4)])
def test_a_container_has_no_more_cores_than_its_share_of_time(allowed, tmp_path, quota, cores):
    allowed(*range(8))
    (tmp_path / "cpu.max").write_text(quota)
    assert machine.physical_cores() == cores


@pytest.mark.parametrize(("processes", "threads"), [("2", 2), ("3", 1), ("9", 1), ("0", 4), ("x", 4)])
def test_processes_on_one_machine_share_its_cores(allowed, monkeypatch, processes, threads):
    allowed(*range(8))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
    assert machine.threads_for_a_model() == threads


def test_many_cores_are_not_all_taken(monkeypatch):
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    monkeypatch.setattr(machine, "physical_cores", lambda: 96)
    assert machine.threads_for_a_model() == machine.MAX_USEFUL_THREADS
