"""Scoring with llama.cpp, with a cache and sequences as it has them in its place: the same numbers as packed rows."""

import ctypes
import importlib
import types

import numpy as np
import pytest
import torch

from benchmarks import llamacpp
from benchmarks.real_model import differences
from tests.scoring.tiny_models import DECISIONS, byte_level, llama
from twosome.bench.methods import Request, packed
from twosome.errors import MissingExtraError, ModelError
from twosome.scoring import ActionScorer


class Fake(types.SimpleNamespace):
    """llama.cpp's functions that are used here, around a model of Transformers that reads whole sequences."""

    def __init__(self, model):
        self.model, self.cells = model, []  # of the cache: position, token, sequences
        self.vocab_size = model.config.vocab_size

    def __getattr__(self, name):
        return lambda *_: types.SimpleNamespace()  # what makes something, of which nothing is asked

    def llama_print_system_info(self):
        return b"CPU : AVX2 = 1 | AVX512 = 1 | AVX512_VNNI = 1 | AVX512_BF16 = 1 | "

    def llama_vocab_n_tokens(self, _):
        return self.vocab_size

    def llama_batch_init(self, count, *_):
        names = ("token", "pos", "logits", "n_seq_id")
        return types.SimpleNamespace(**{name: [0] * count for name in names}, seq_id=[[0] for _ in range(count)])

    def llama_memory_clear(self, *_):
        self.cells = []

    def llama_memory_seq_cp(self, _, source, target, *__):
        for *_, sequences in self.cells:
            sequences.update({target} if source in sequences else ())

    def llama_memory_seq_rm(self, _, sequence, start, __):
        self.cells = [cell for cell in self.cells if sequence not in cell[2] or cell[0] < start]

    def llama_decode(self, _, batch):
        rows = []
        for i in range(batch.n_tokens):
            [sequence] = batch.seq_id[i][: batch.n_seq_id[i]]
            self.cells.append((batch.pos[i], batch.token[i], {sequence}))
            if batch.logits[i]:
                read = sorted(cell[:2] for cell in self.cells if sequence in cell[2])
                assert [position for position, _ in read] == list(range(len(read)))
                rows.append(self.model(torch.tensor([[token for _, token in read]])).logits[0, -1])
        self.logits = np.ascontiguousarray(torch.stack(rows).numpy(), dtype=np.float32)
        return 0

    def llama_get_logits(self, _):
        return self.logits.ctypes.data_as(ctypes.POINTER(ctypes.c_float))


@pytest.fixture
def request_():
    return Request.of(ActionScorer(llama(), byte_level(), method="packed"), DECISIONS)


@pytest.fixture
def fake(request_, monkeypatch):
    found = Fake(request_.scorer.model)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(importlib, "import_module", lambda name: found)
    return found


def test_actions_in_turn_in_one_batch_and_all_at_once_score_as_packed_rows(request_, fake, tmp_path):
    for way in llamacpp.ways(request_, tmp_path, threads=1):
        assert max(differences(way, packed(request_))) < 1e-4, way.name


def test_a_file_of_another_model_is_refused(request_, fake, tmp_path):
    fake.vocab_size += 1
    with pytest.raises(ModelError, match="is of another model: it has"):
        llamacpp.ways(request_, tmp_path, threads=1)


def test_without_llama_cpp_python_it_says_what_to_install(request_, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"llama-cpp-python is not installed: .*pip install"):
        llamacpp.ways(request_, tmp_path, threads=1)


def test_a_build_without_the_instructions_of_the_cpu_is_refused():
    info = "CPU : AVX2 = 1 | AVX512 = 1 | "
    llamacpp.require_native(info, {"avx2", "avx512f", "sse"})
    with pytest.raises(ModelError, match="built without AVX512_VNNI, AVX512_BF16, which"):
        llamacpp.require_native(info, {"avx2", "avx512f", "avx512_vnni", "avx512_bf16"})
