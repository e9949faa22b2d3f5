"""A language model and its tokenizer, by name: embedded in the package, a folder, or from the Hugging Face Hub.

Weights come as safetensors alone (the older format runs code when it is opened), and code that comes with a
model runs only when asked for.
"""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from transformers.utils import logging as transformers_logging

from twosome import models
from twosome.errors import ConfigError, MissingExtraError, ModelError

DType = Literal["auto", "float32", "bfloat16", "float16"]
Device = str
Quantization = Literal["8bit", "4bit"] | None


def load_model(
    name_or_path: str,
    *,
    dtype: DType = "auto",
    device: Device = "auto",
    quantization: Quantization = None,
    trust_remote_code: bool = False,
) -> tuple[Any, Any]:
    """The model, in evaluation mode on its device, and its tokenizer.

    Raises:
        ConfigError: an argument is out of range.
        ModelError: nothing is found under this name, or it has no safetensors weights or no tokenizer.
        MissingExtraError: quantization is wanted and bitsandbytes is not installed.
    """
    if dtype not in get_args(DType):
        raise ConfigError(f"dtype is {dtype!r}; expected one of {', '.join(get_args(DType))}.")
    where = _device(device)
    settings: dict[str, Any] = {"dtype": resolve_dtype(dtype, where)}
    if quantization is not None:
        settings["quantization_config"] = _quantization_config(quantization, settings["dtype"])
    source = _source(name_or_path)
    common = {"trust_remote_code": trust_remote_code}
    try:
        config = AutoConfig.from_pretrained(source, **common)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"found no model {name_or_path!r}: {_first_line(error)} Give {models.NAMES[0]!r}, a folder with "
            "config.json, or an id on the Hugging Face Hub (which needs a connection the first time)."
        ) from error
    tokenizer = _tokenizer(name_or_path, source, common)
    try:
        with without_progress_bar(is_local=Path(source).is_dir()):
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                source,
                config=config,
                use_safetensors=True,
                device_map={"": where},
                output_loading_info=True,
                **settings,
                **common,
            )
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        raise ModelError(_weights_message(name_or_path, source, error)) from error
    model, found = loaded
    if missing := sorted(found["missing_keys"]):
        # Transformers would begin them with random numbers, other ones at each load.
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise ModelError(
            f"the weights of {name_or_path!r} lack {len(missing)} of the model's tensors: {shown}. Copy the model "
            "again, or correct its config.json."
        )
    return model.eval(), tokenizer


@contextmanager
def without_progress_bar(*, is_local: bool) -> Iterator[None]:
    """Without Transformers' bars where there is nothing to wait for, as for a download."""
    logging: Any = transformers_logging
    if is_local and logging.is_progress_bar_enabled():
        logging.disable_progress_bar()
        try:
            yield
        finally:
            logging.enable_progress_bar()
    else:
        yield


def _source(name_or_path: str) -> str:
    folder = models.locate(name_or_path)
    if folder is None:
        return name_or_path
    if not any(folder.glob("*.safetensors")):
        raise ModelError(_weights_message(name_or_path, str(folder), None))
    return str(folder)


def _tokenizer(name_or_path: str, source: str, common: dict[str, bool]) -> Any:
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **common)
    except (OSError, ValueError, ImportError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"the model {name_or_path!r} has no tokenizer that can be loaded: {_first_line(error)} Put its "
            "tokenizer.json and tokenizer_config.json beside config.json."
        ) from error
    if len(tokenizer) == 0:
        raise ModelError(
            f"the model {name_or_path!r} has an empty tokenizer. Put its tokenizer.json and tokenizer_config.json "
            "beside config.json."
        )
    return tokenizer


def _weights_message(name_or_path: str, source: str, error: Exception | None) -> str:
    found = "" if error is None else f" {_first_line(error)}"
    if any(Path(source).glob("*.safetensors")):
        return (
            f"cannot load the weights of {name_or_path!r} as those of a causal language model:{found} The files may be "
            "damaged (copy the model again), or it is a model of another kind."
        )
    return (
        f"cannot load the weights of {name_or_path!r}: expected *.safetensors.{found} Other formats run code when they "
        "are opened, so convert a model that you trust once, with Transformers: "
        f"AutoModelForCausalLM.from_pretrained({source!r}).save_pretrained(FOLDER), and the same with AutoTokenizer; "
        "then name FOLDER."
    )


def _quantization_config(quantization: str, dtype: torch.dtype) -> Any:
    if quantization not in ("8bit", "4bit"):
        raise ConfigError(f"quantization is {quantization!r}; expected None, '8bit' or '4bit'.")
    if importlib.util.find_spec("bitsandbytes") is None:
        raise MissingExtraError(
            f"quantization={quantization!r} needs bitsandbytes, which is not installed: "
            "pip install 'twosome[quantization]'"
        )
    make: Any = BitsAndBytesConfig
    if quantization == "8bit":
        return make(load_in_8bit=True)
    return make(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )


def _device(device: Device) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    unknown = f"device is {device!r}; expected 'auto', 'cpu', 'cuda' or 'cuda:1'."
    try:
        where = torch.device(device)
    except RuntimeError as error:
        raise ConfigError(unknown) from error
    if where.type not in ("cpu", "cuda", "mps"):
        raise ConfigError(unknown)
    if where.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(f"device is {device!r}, and torch finds no such device here. Use device='cpu' or 'auto'.")
    if where.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device is {device!r}, and torch finds no CUDA device here. Use device='cpu' or 'auto'.")
    return where


def resolve_dtype(dtype: DType, device: torch.device) -> torch.dtype:
    """The precision of the weights that a setting stands for on a device."""
    if dtype != "auto":
        chosen: torch.dtype = getattr(torch, dtype)
        return chosen
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _first_line(error: Exception) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line if line.endswith((".", "!", "?")) else line + "."
