"""The script for a GPU runs on a CPU with a tiny model, and goes on where it stopped."""

import pytest
import torch

from benchmarks.gpu import measure
from twosome.report.numbers import Results


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_the_script_for_a_gpu_runs_and_measures_nothing_twice(tmp_path):
    output, said = tmp_path / "gpu.json", list[str]()
    measure("tiny", torch.device("cpu"), output, said.append)
    assert [line.split(":")[0] for line in said] == ["tiny, scoring", "tiny, update", "tiny, attention"]
    assert not [line for line in said if "failed" in line]
    found = {number.what: number.mean or 0.0 for number in Results.load(output).numbers}
    assert found["actions per second"] > 0
    assert found["update: TFLOP/s"] > 0
    assert 0 < found["attention, 320 tokens: largest difference"] < 0.02
    before = output.read_bytes()
    measure("tiny", torch.device("cpu"), output, said.append)
    assert output.read_bytes() == before
