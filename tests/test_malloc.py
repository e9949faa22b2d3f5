"""Freed memory: held up to a point, then given back."""

import sys
from pathlib import Path

import pytest

from twosome._malloc import give_back_excess, keep_freed_memory

BLOCK = 4 * 2**20


@pytest.mark.skipif(not keep_freed_memory(), reason="not glibc")
def test_freed_memory_between_what_stays_is_given_back_where_it_is_in_excess():
    blocks = [bytearray(b"x" * BLOCK) for _ in range(64)]
    stays = blocks[::2]
    del blocks
    held = resident()
    assert not give_back_excess(held=2**40)
    assert resident() > held - BLOCK
    assert give_back_excess(held=16 * BLOCK)
    assert resident() < held - 16 * BLOCK
    assert stays


def test_elsewhere_nothing_is_held_and_nothing_given_back(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
    assert not give_back_excess(held=0)


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
