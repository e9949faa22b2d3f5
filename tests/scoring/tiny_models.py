"""Tokenizers and random language models small enough to build in a test, and the definition of a score."""

from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from twosome import Decision

TEXT = [
    "You see a cup and a plate on the table. Your hands are empty. Now you pick up the cup.",
    "You are in the kitchen. Now you walk to the table, put the plate down, wait and sit down.",
] * 3

DECISIONS = (
    # An action that is a prefix of another, a shared beginning, a duplicate, one that is not available.
    Decision(
        "You see a cup and a plate on the table. Now you",
        ("pick up the cup", "pick up the plate", "pick", "", "walk to the table", "pick up the cup"),
    ),
    Decision("You are empty. Now you", ("", "wait")),
    Decision("Your hands are empty and you are in the kitchen on the table. Now you", ("put the cup", "put the plate")),
)


def byte_level() -> PreTrainedTokenizerFast:
    """Byte-level BPE, as GPT-2 has it: a word takes its space along, nothing is put in front."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.train_from_iterator(
        TEXT,
        trainers.BpeTrainer(vocab_size=290, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False),
    )
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="!")


def metaspace() -> PreTrainedTokenizerFast:
    """SentencePiece-like, as Llama has it: a text gets a leading space of its own, and <s> in front."""
    core = Tokenizer(models.BPE(unk_token="<unk>"))
    core.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    core.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(content=" ", left=1, right=0)]
    )
    core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    core.train_from_iterator(
        TEXT, trainers.BpeTrainer(vocab_size=120, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False)
    )
    core.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def wordpiece() -> PreTrainedTokenizerFast:
    """WordPiece: no token has a space, continuations begin with ##, special tokens in front and behind."""
    core = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.decoder = decoders.WordPiece()
    special = ["[UNK]", "[CLS]", "[SEP]"]
    core.train_from_iterator(
        TEXT, trainers.WordPieceTrainer(vocab_size=100, special_tokens=special, show_progress=False)
    )
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="[UNK]")


def merging() -> PreTrainedTokenizerFast:
    """Characters, and one token "u p": it spans the end of "Now you" and the beginning of every phrase in p."""
    characters = sorted(set("".join(TEXT) + "!"))
    vocab = {token: i for i, token in enumerate([*characters, " p", "u p"])}
    core = Tokenizer(models.BPE(vocab=vocab, merges=[(" ", "p"), ("u", " p")]))
    core.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=core)


TOKENIZERS = {"byte_level": byte_level, "metaspace": metaspace, "wordpiece": wordpiece, "merging": merging}

_COMMON = {
    "vocab_size": 320, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
    "max_position_embeddings": 128, "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
_GROUPED = {"num_key_value_heads": 2}
_WITH_HEAD_SIZE = {**_GROUPED, "head_dim": 8}
_SLIDING = {**_WITH_HEAD_SIZE, "sliding_window": 7}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": _GROUPED,
    "qwen2": _GROUPED,
    "qwen3": _WITH_HEAD_SIZE,
    "qwen3_moe": {**_WITH_HEAD_SIZE, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16},
    "mistral": {**_WITH_HEAD_SIZE, "sliding_window": None},
    "gemma": _WITH_HEAD_SIZE,
    "phi": _GROUPED,
    "phi3": _GROUPED,
    "gpt2": {},
    "gpt_neox": {},
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 16},
    "falcon": {},
    "smollm3": _GROUPED,
    "olmo2": _GROUPED,
    "granite": {**_GROUPED, "logits_scaling": 4.0},
    "stablelm": _GROUPED,
    "starcoder2": _GROUPED,
    "cohere": {**_GROUPED, "logit_scale": 0.25},
    "gemma2": {**_SLIDING, "final_logit_softcapping": 5.0},
    "gemma3_text": _SLIDING,
}
# Families above with a window shorter than the prompts, in the form in which each of them takes it.
SLIDING: dict[str, tuple[str, dict[str, Any]]] = {
    "mistral": ("mistral", _SLIDING),
    "phi3": ("phi3", {**_GROUPED, "sliding_window": 7}),
    "starcoder2": ("starcoder2", {**_GROUPED, "sliding_window": 7}),
    "qwen2": ("qwen2", {**_GROUPED, "use_sliding_window": True, "sliding_window": 7, "max_window_layers": 1}),
    "qwen3": ("qwen3", {**_SLIDING, "use_sliding_window": True, "max_window_layers": 1}),
    "gemma3": ("gemma3_text", {**_SLIDING, "layer_types": ["full_attention", "sliding_attention"]}),
    "gemma2": ("gemma2", {**_SLIDING, "layer_types": ["sliding_attention", "full_attention"]}),
}
UNPACKABLE: dict[str, dict[str, Any]] = {
    "bloom": {},
    "mamba": {},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
}


def tiny_model(
    family: str, *, dtype: torch.dtype = torch.float64, attention: str | None = None, **settings: Any
) -> Any:
    """A random model of a family, in evaluation mode; weights so large that every token matters."""
    common = dict(_COMMON)
    if family == "mamba":
        for name in ("num_attention_heads", "max_position_embeddings"):
            del common[name]
    config = AutoConfig.for_model(family, **{**common, **settings})
    options: dict[str, Any] = {} if attention is None else {"attn_implementation": attention}
    if family in ("qwen3_moe", "mixtral", "olmoe", "phimoe", "gpt_oss"):
        options["experts_implementation"] = "eager"  # the grouped kernel knows no float64
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = AutoModelForCausalLM.from_config(config, **options)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.25)
    return model.to(dtype).eval()


def llama(**settings: Any) -> Any:
    """The tiny model for tests that are not about families."""
    return tiny_model("llama", **{**FAMILIES["llama"], **settings})


def by_definition(model: Any, tokenizer: Any, decision: Decision) -> torch.Tensor:
    """Joint log-probabilities for a tokenizer that neither merges across the boundary nor puts anything behind.

    Written without the package: the prompt's tokens, then the rest of the row's, one action at a time.
    """
    prompt = tokenizer(decision.prompt)["input_ids"]
    scores = []
    for phrase in decision.actions:
        if not phrase:
            scores.append(torch.tensor(-torch.inf, dtype=model.dtype))
            continue
        row = tokenizer(f"{decision.prompt} {phrase}")["input_ids"]
        assert row[: len(prompt)] == prompt
        logp = torch.log_softmax(model(input_ids=torch.tensor([row])).logits[0], dim=-1)
        scores.append(sum(logp[i - 1, row[i]] for i in range(len(prompt), len(row))))
    return torch.stack(scores)
