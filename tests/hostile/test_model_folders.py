"""A model's folder makes nobody read outside of it or run code; a run knows its model again."""

import contextlib
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

import tests.environments
from tests.hostile.test_links import PLACES, at_most
from tests.scoring.tiny_models import FAMILIES, byte_level, tiny_model
from twosome import models
from twosome.agent import Agent
from twosome.cli import main
from twosome.errors import ModelError, RunError
from twosome.models import load_model
from twosome.ppo.train import resume, train
from twosome.runs import RunDirectory
from twosome.trust import ChangedRunWarning


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "model"
    tiny_model("llama", dtype=torch.float32, **FAMILIES["llama"]).save_pretrained(folder)
    byte_level().save_pretrained(folder)
    return folder


@pytest.fixture
def folder(tiny, tmp_path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "model"))


def change(file: Path, **entries) -> None:
    file.write_text(json.dumps({**(json.loads(file.read_text()) if file.exists() else {}), **entries}))


@pytest.mark.parametrize("name", ["attn_implementation", "_attn_implementation", "experts_implementation"])
@pytest.mark.parametrize("value", ["evil/kernel", "evil/kernel@main:f", {"": "evil/kernel"}, {"text_config": "e/k"}])
def test_code_from_the_hub_in_place_of_attention_is_refused(folder, name, value):
    for entries in ({name: value}, {"text_config": {name: value}}):
        broken = Path(shutil.copytree(folder, folder.parent / f"broken-{len(entries)}-{next(iter(entries))}"))
        change(broken / "config.json", **entries)
        with pytest.raises(ModelError, match="asks for attention by code"):
            load_model(str(broken))


@pytest.mark.parametrize(
    "name", ["../outside.safetensors", "{}/outside.safetensors", "a/../../outside.safetensors", ".."]
)
def test_weights_outside_of_the_folder_are_not_read(folder, tmp_path, name):
    weights = load_file(folder / "model.safetensors")
    shutil.move(folder / "model.safetensors", tmp_path / "outside.safetensors")
    (folder / "a").mkdir()
    name = name.format(tmp_path)
    index = {"metadata": {}, "weight_map": dict.fromkeys(weights, name)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    save_file({"x": torch.zeros(1)}, folder / "x.safetensors")
    with pytest.raises(ModelError, match="weight_map"):
        load_model(str(folder))
    (folder / "model.safetensors.index.json").unlink()
    change(folder / "config.json", transformers_weights=name)
    with pytest.raises(ModelError, match="transformers_weights"):
        load_model(str(folder))


def test_a_tokenizer_outside_of_the_folder_is_not_read(folder, tmp_path):
    shutil.copy(folder / "tokenizer.json", tmp_path / "tokenizer.1.0.json")
    settings = folder / "tokenizer_config.json"
    before = settings.read_text()
    for entries in (
        {"fast_tokenizer_files": ["../tokenizer.1.0.json"]},
        {"tokenizer_file": str(tmp_path / "tokenizer.1.0.json")},
        {"vocab_file": "../tokenizer.1.0.json"},
        {"init_inputs": ["../tokenizer.1.0.json"]},
    ):
        settings.write_text(before)
        change(settings, **entries)
        with pytest.raises(ModelError, match=next(iter(entries))):
            load_model(str(folder))
    settings.write_text(before)
    change(settings, special_tokens_map_file="/root/of/whoever/made/it/special_tokens_map.json", init_inputs=[])
    load_model(str(folder))


def test_no_other_entry_runs_code_of_the_folder(folder, canary):
    code = f"from pathlib import Path\nPath({str(canary)!r}).touch()\ndef generate(*a, **k): ...\n"
    (folder / "custom_generate").mkdir()
    for file in ("evil.py", "custom_generate/generate.py"):
        (folder / file).write_text(code)
    own = {"AutoProcessor": "evil.A", "AutoTokenizer": ["evil.A", "evil.A"], "AutoConfig": "evil.A"}
    change(folder / "processor_config.json", auto_map=own, processor_class="Evil")
    change(folder / "preprocessor_config.json", auto_map=own)
    change(folder / "generation_config.json", custom_generate="evil", auto_map=own)
    change(folder / "tokenizer_config.json", auto_map=own)
    change(folder / "config.json", custom_pipelines={"text-generation": {"impl": "evil.A", "pt": ["evil.A"]}})
    load_model(str(folder))
    for quantized in ({"quant_method": "evil.A", "auto_map": own}, {"quant_method": "torchao", "quant_type": "evil.A"}):
        change(folder / "config.json", quantization_config=quantized)
        with contextlib.suppress(ModelError):
            load_model(str(folder))
    assert not canary.exists()


@pytest.mark.parametrize("kind", PLACES)
def test_what_is_no_file_in_a_models_folder_is_refused(folder, tmp_path, kind):
    names = ["generation_config.json", "chat_template.jinja", "special_tokens_map.json", "added_tokens.json"]
    names += ["model.safetensors.index.json", "adapter_config.json", "additional_chat_templates/x.jinja", "vocab.txt"]
    for number, name in enumerate(sorted({*names, *(path.name for path in folder.iterdir())})):
        broken = Path(shutil.copytree(folder, tmp_path / "copies" / str(number)))
        (broken / name).unlink(missing_ok=True)
        (broken / name).parent.mkdir(exist_ok=True)
        PLACES[kind](broken / name)
        # An adapter_config.json that is none does not make the folder one of an adapter.
        with at_most(30), pytest.raises(ModelError):
            load_model(str(broken))


def test_a_link_out_of_a_models_folder_needs_consent(folder, tmp_path):
    shutil.move(folder / "model.safetensors", tmp_path / "elsewhere.safetensors")
    (folder / "model.safetensors").symlink_to(tmp_path / "elsewhere.safetensors")
    with pytest.raises(ModelError, match=r"link that leads outside.*--trust-remote-code"):
        load_model(str(folder))
    load_model(str(folder), trust_remote_code=True)


def snapshot(folder: Path, cache: Path) -> Path:
    """The folder as the hub's cache keeps it: links to files that are named by their content."""
    place = cache / "models--a--b" / "snapshots" / "0123"
    (cache / "models--a--b" / "blobs").mkdir(parents=True)
    place.mkdir(parents=True)
    for number, file in enumerate(file for file in sorted(folder.iterdir()) if file.is_file()):
        shutil.copy(file, place.parents[1] / "blobs" / str(number))
        (place / file.name).symlink_to(f"../../blobs/{number}")
    return place


def test_a_snapshot_of_the_hubs_cache_is_a_model(folder, tmp_path):
    place = snapshot(folder, tmp_path / "cache")
    load_model(str(place))
    (place / "tokenizer.json").unlink()
    (place / "tokenizer.json").symlink_to(folder / "tokenizer.json")
    with pytest.raises(ModelError, match=r"tokenizer\.json.* link that leads outside"):
        load_model(str(place))


def adapter_for(base: Path, folder: Path) -> Path:
    model = get_peft_model(load_model(str(base))[0], LoraConfig(r=2, target_modules=["q_proj"]))
    model.save_pretrained(folder)
    change(folder / "adapter_config.json", base_model_name_or_path=str(base))
    return folder


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("exclude_modules", "(.*)*(.*)*x"),
        ("layers_pattern", ["(.*)*x"]),
        ("modules_to_save", ["(.*)*x"]),
        ("rank_pattern", {"(.*)*x": 4}),
        ("alpha_pattern", {"(.*)*x": 4}),
        ("megatron_config", {"a": 1}),
    ],
)
@pytest.mark.parametrize("alone", [True, False])
def test_an_adapter_searches_and_imports_nothing(folder, tmp_path, canary, monkeypatch, entry, value, alone):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "evil_megatron.py").write_text(f"from pathlib import Path\nPath({str(canary)!r}).touch()\n")
    adapter = adapter_for(folder, tmp_path / "adapter" if alone else folder)
    change(adapter / "adapter_config.json", megatron_core="evil_megatron", **{entry: value})
    with at_most(60), pytest.raises(ModelError, match=entry):
        load_model(str(adapter))
    assert not canary.exists()
    assert "evil_megatron" not in sys.modules


def test_an_adapter_of_an_adapter_is_refused(folder, tmp_path):
    adapter_for(folder, tmp_path / "one")
    adapter_for(folder, tmp_path / "two")
    change(tmp_path / "two" / "adapter_config.json", base_model_name_or_path=str(tmp_path / "one"))
    with pytest.raises(ModelError, match="holds an adapter, too"):
        load_model(str(tmp_path / "two"))


def trained_on(model: Path, path: Path) -> Path:
    run = train(tests.environments.counting_run(path, model=str(model), checkpoint_every=32))
    shutil.rmtree(RunDirectory.open(run).checkpoint("last"))  # so that something is left to train
    return run


def disturb(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    next(iter(weights.values())).view(-1)[0] += 1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


EXCHANGES = {
    "model.safetensors": disturb,
    "tokenizer.json": lambda folder: (folder / "tokenizer.json").write_text(
        (folder / "tokenizer.json").read_text() + "\n"
    ),
    "chat_template.jinja": lambda folder: (folder / "chat_template.jinja").write_text("{{ messages[0]['content'] }}"),
    "additional_chat_templates/x.jinja": lambda folder: (
        (folder / "additional_chat_templates").mkdir(),
        (folder / "additional_chat_templates" / "x.jinja").write_text("{{ messages }}"),
    ),
}


def test_a_run_takes_no_other_model(tmp_path, capsys):
    original = Path(shutil.copytree(models.path("hearth"), tmp_path / "model"))
    path = trained_on(original, tmp_path / "run")
    kept = shutil.move(original, tmp_path / "kept")
    for name, exchange in EXCHANGES.items():
        shutil.copytree(kept, original)
        exchange(original)
        said = rf"its '{name}' has the SHA-256 \w+\.\.\., expected \w+\.\.\."
        for ask in (Agent.load, resume):
            with pytest.raises(RunError, match=said):
                ask(path)
        shutil.rmtree(original)
    shutil.copytree(kept, original)
    disturb(original)
    for command in (["eval", str(path)], ["show", str(path)], ["train", "--resume", str(path)]):
        assert main([*command]) == 1
        assert "--allow-other-model" in capsys.readouterr().err
    with pytest.warns(ChangedRunWarning, match="is not the one.*taken all the same"):
        Agent.load(path, allow_other_model=True)
    with pytest.warns(ChangedRunWarning, match="taken all the same"):
        resume(path, allow_other_model=True)
    Agent.load(path)  # what was written since is of this model


@pytest.mark.filterwarnings("ignore::twosome.models._load.MergedAdapterWarning")
def test_a_run_on_an_adapter_takes_no_other_base_and_a_snapshots_run_opens(tiny, tmp_path):
    base = snapshot(tiny, tmp_path / "cache")
    adapter = adapter_for(base, tmp_path / "adapter")
    path = trained_on(adapter, tmp_path / "run")
    Agent.load(path)
    shutil.copy(base / "model.safetensors", tmp_path / "model.safetensors")
    (base / "model.safetensors").unlink()
    shutil.move(tmp_path / "model.safetensors", base / "model.safetensors")
    Agent.load(path)
    disturb(base)
    for ask in (Agent.load, resume):
        with pytest.raises(RunError, match=r"'base/model\.safetensors' has the SHA-256"):
            ask(path)
