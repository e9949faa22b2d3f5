"""A tiny model and its tokenizer in a GGUF file, as llama.cpp's converter would write it."""

import json
from pathlib import Path
from typing import Any

from tests.scoring.tiny_models import FAMILIES, byte_level, tiny_model


def write_gguf(path: Path, *, architecture: str = "qwen2", tokenizer: bool = True, **values: Any) -> Any:
    """Write the file and return the model that is in it.

    Args:
        path: of the file.
        architecture: what it calls the model, which is a qwen2 in any case.
        tokenizer: whether to put one in.
        values: further numbers, by name with "__" for ".".
    """
    import gguf
    import torch

    model = tiny_model("qwen2", dtype=torch.float32, **FAMILIES["qwen2"])
    config = model.config
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    for name, value in values.items():
        writer.add_uint32(name.replace("__", "."), value)
    if tokenizer:
        _add_tokenizer(writer, config.vocab_size)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        stem, ending = name.rsplit(".", 1)
        writer.add_tensor(f"{names.get_name(stem)}.{ending}", tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


def _add_tokenizer(writer: Any, vocab_size: int) -> None:
    content = json.loads(byte_level().backend_tokenizer.to_str())["model"]
    tokens = sorted(content["vocab"], key=content["vocab"].get)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([*tokens, *(f"<unused{i}>" for i in range(len(tokens), vocab_size))])
    writer.add_token_types([1] * vocab_size)
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in content["merges"]])
    writer.add_eos_token_id(content["vocab"]["!"])
