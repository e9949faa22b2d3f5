"""A language model and its tokenizer, by name: embedded in the package, a folder, a file, or from the Hugging Face Hub.

Weights come as safetensors or in a GGUF file (the older format runs code when it is opened), and code that comes with
a model runs only when asked for.
"""

import importlib.util
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import torch
import transformers
from peft import PeftConfig, PeftModel
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from transformers.utils import logging as transformers_logging

from twosome.errors import ConfigError, MissingExtraError, ModelError, TwosomeError, quote
from twosome.models import _gguf, _names
from twosome.models._peft import quiet_peft, require_plain_names
from twosome.models._untrusted import require_own_files, require_own_settings
from twosome.setting_types import DType, Quantization

_WEIGHT_TYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


class MergedAdapterWarning(UserWarning):
    """A folder holds an adapter, which is now part of the model that it is for."""


def load_model(
    name_or_path: str,
    *,
    dtype: DType = "auto",
    device: str = "auto",
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
    folder = _names.adapter_folder(name_or_path)
    if quantization is not None and _gguf.is_gguf(name_or_path):
        raise ModelError(
            f"the weights in the GGUF file {quote(name_or_path)} are unpacked when they are read, and cannot be loaded "
            f"in {quantization}. Leave out --quantization, or give the model as a folder that Transformers saved."
        )
    if folder is not None and quantization is not None:
        raise ModelError(
            f"the folder {quote(name_or_path)} holds an adapter, which is merged into its model, and a model in "
            f"{quantization} cannot take it exactly. Leave out --quantization, or merge the adapter first and save."
        )
    if quantization is not None:
        settings["quantization_config"] = _quantization_config(quantization, settings["dtype"])

    def load(name: str, source: str) -> tuple[Any, Any]:
        if _gguf.is_gguf(name):
            return _load_file(name, where, settings, trust_remote_code=trust_remote_code)
        return _load(name, source, where, settings, {"trust_remote_code": trust_remote_code})

    if folder is None:
        return load(name_or_path, _source(name_or_path))
    if not trust_remote_code:
        require_own_files(folder)
    return _load_with_adapter(folder, load)


def _load(
    name_or_path: str, source: str, where: torch.device, settings: dict[str, Any], common: dict[str, bool]
) -> tuple[Any, Any]:
    if not common["trust_remote_code"] and (folder := _names.locate(name_or_path)) is not None:
        require_own_files(folder)
    with _interpreting(
        lambda found: (
            f"found no model {quote(name_or_path)}: {found} Give {_names.NAMES[0]!r}, a folder with config.json, a "
            "GGUF file, or an id on the Hugging Face Hub (which needs a connection the first time)."
        )
    ):
        if not common["trust_remote_code"]:
            require_own_settings(name_or_path, source)
        config = AutoConfig.from_pretrained(source, **common)
    tokenizer = _tokenizer(name_or_path, source, common)
    with (
        _interpreting(lambda found: _weights_message(name_or_path, source, found)),
        without_progress_bar(is_local=Path(source).is_dir()),
    ):
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            source,
            config=config,
            use_safetensors=True,
            device_map={"": where},
            output_loading_info=True,
            **settings,
            **common,
        )
    return _checked(name_or_path, loaded, "correct its config.json"), tokenizer


def _checked(name_or_path: str, loaded: Any, remedy: str) -> Any:
    """The model, in evaluation mode, once all of its weights are there and are numbers."""
    model, found = loaded
    if missing := sorted(found["missing_keys"]):
        # Transformers would begin them with random numbers, other ones at each load.
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise ModelError(
            f"the weights of {name_or_path!r} lack {len(missing)} of the model's tensors: {shown}. Copy the model "
            f"again, or {remedy}."
        )
    _require_finite(name_or_path, model)
    return model.eval()


def _load_file(
    name_or_path: str, where: torch.device, settings: dict[str, Any], *, trust_remote_code: bool
) -> tuple[Any, Any]:
    """The model in a GGUF file, its weights unpacked: from then on like any other."""
    path = _gguf.locate_file(name_or_path)
    header = _gguf.read_header(path)
    if not trust_remote_code and _fetches_kernels(header.architecture):
        raise ModelError(
            f"for the architecture {quote(header.architecture)} of {quote(name_or_path)} Transformers would fetch "
            "code from the Hugging Face Hub with the package kernels and run it. Uninstall that package, or, if you "
            "trust the code, say --trust-remote-code (in Python: trust_remote_code=True)."
        )
    other = "give the model as a folder that Transformers saved"
    # Alone, so that nothing that lies beside it is read.
    with TemporaryDirectory() as folder:
        (Path(folder) / "model.gguf").symlink_to(path.resolve())
        place = {"pretrained_model_name_or_path": folder, "gguf_file": "model.gguf"}
        with _interpreting(
            lambda found: (
                f"Transformers cannot read the GGUF file {quote(name_or_path)}, whose architecture is "
                f"{quote(header.architecture)}: {found} Install a newer version of Transformers, or {other}."
            )
        ):
            config = AutoConfig.from_pretrained(**place)
        with _interpreting(
            lambda found: (
                f"the tokenizer in the GGUF file {quote(name_or_path)} cannot be read: {found} Install a newer "
                f"version of Transformers, or {other}."
            )
        ):
            tokenizer: Any = AutoTokenizer.from_pretrained(**place)
        with (
            _interpreting(
                lambda found: (
                    f"the weights in the GGUF file {quote(name_or_path)} do not make a causal language model: {found} "
                    f"Copy the model again, or {other}."
                )
            ),
            without_progress_bar(is_local=True),
        ):
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                **place,
                config=config,
                device_map={"": where},
                output_loading_info=True,
                **settings,
                **_unpacking(),
            )
    model = _checked(name_or_path, loaded, other)
    model.config.name_or_path = tokenizer.name_or_path = model.name_or_path = name_or_path
    # The weights are as wide as any: nothing of how they came has to keep them from being trained and saved.
    model.is_quantized = False
    for owner, name in ((model, "hf_quantizer"), (model, "quantization_method"), (model.config, "quantization_config")):
        vars(owner).pop(name, None)
    return model, tokenizer


def _unpacking() -> dict[str, Any]:
    """The argument that makes Transformers unpack weights, from the version on that could do otherwise."""
    make = getattr(transformers, "GgufConfig", None)
    return {} if make is None else {"quantization_config": make(dequantize=True)}


def _fetches_kernels(architecture: str) -> bool:
    """Whether Transformers would look for code on the Hugging Face Hub that computes with weights of GGUF files."""
    if importlib.util.find_spec("kernels") is None:
        return False
    try:
        from transformers.integrations.gguf.utils import is_gguf_arch_supported
    except ImportError:  # an older version, which has no such code
        return False
    return bool(is_gguf_arch_supported(architecture))


def _load_with_adapter(folder: Path, load: Callable[[str, str], tuple[Any, Any]]) -> tuple[Any, Any]:
    """A model with the adapter of a folder merged into its weights: what training then freezes or starts from.

    Left beside the model, the adapter would be wiped when adapters of a run's own are put on.
    """
    name = str(folder)
    base = _names.base_of_adapter(name)
    if not (folder / _names.ADAPTER_WEIGHTS).is_file():
        raise ModelError(
            f"the adapter in {quote(name)} has no {_names.ADAPTER_WEIGHTS}. Other formats run code when they are "
            "opened, so save an adapter that you trust anew, with PEFT: save_pretrained(FOLDER)."
        )
    if base is not None and _names.adapter_folder(base) is not None:
        raise ModelError(
            f"the adapter in {quote(name)} is for {quote(base)}, which holds an adapter, too. Merge the two "
            "first, with PEFT: merge_and_unload() and save_pretrained(FOLDER)."
        )
    if base is None:
        base = name
        with _without_adapter(folder) as bare:
            model, tokenizer = load(name, bare)
    else:
        try:
            model, tokenizer = load(base, _source(base))
        except ModelError as error:
            raise ModelError(
                f"the folder {quote(name)} holds an adapter alone, and the model that it is for, {quote(base)}, cannot "
                f"be loaded: {error} Put the right name into base_model_name_or_path in its adapter_config.json."
            ) from error
    with (
        _interpreting(
            lambda found: (
                f"the adapter in {quote(name)} does not fit the model {quote(base)}: {found} Use the model that it was "
                "trained on, or take the files adapter_* out of the folder."
            )
        ),
        quiet_peft(),
    ):
        # PEFT only warns of layers that the adapter lacks, and leaves them without effect.
        warnings.filterwarnings("error", ".*missing adapter keys")
        config = PeftConfig.from_pretrained(name)
        require_plain_names(config, folder / _names.ADAPTER_WEIGHTS)
        merged = PeftModel.from_pretrained(model, name, config=config).merge_and_unload(safe_merge=True)
    _require_finite(name, merged)
    warnings.warn(
        f"the adapter in {quote(name)} is merged into the model {quote(base)}: training starts from, and leaves "
        "frozen, the model with it. To use the model without it, take the files adapter_* away or name the model.",
        MergedAdapterWarning,
        stacklevel=4,
    )
    return merged.eval(), tokenizer


@contextmanager
def _without_adapter(folder: Path) -> Iterator[str]:
    """The folder as it would be without its adapter, which Transformers would put on in its own way."""
    with TemporaryDirectory() as bare:
        for path in folder.iterdir():
            if not path.name.startswith("adapter_"):
                (Path(bare) / path.name).symlink_to(path.resolve())
        yield bare


@contextmanager
def _interpreting(message: Callable[[str], str]) -> Iterator[None]:
    """Turns whatever is raised into a ModelError with a message that is made of what was found.

    Here Transformers, PEFT and, if asked for, code of the model's own make sense of files that anybody may have
    written: settings that do not fit together come out as nearly any kind of exception, from deep inside.
    """
    try:
        yield
    except TwosomeError:
        raise
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise ModelError(
            f"the model does not fit into memory: {_first_line(error)} Choose a smaller --dtype, --quantization, or "
            "another --device."
        ) from error
    except Exception as error:
        raise ModelError(message(_first_line(error))) from error


def _require_finite(name: str, model: Any) -> None:
    """Raise where a weight is no finite number; reads each weight once, far faster than it was loaded."""
    for key, tensor in (*model.named_parameters(), *model.named_buffers()):
        # Quantized weights are integers, and the smallest floats know no order.
        if tensor.dtype not in _WEIGHT_TYPES or tensor.numel() == 0:
            continue
        if not all(math.isfinite(bound) for bound in torch.stack(tensor.detach().aminmax()).tolist()):
            raise ModelError(
                f"the weights of {quote(name)} are damaged: {key} holds NaN or an infinite number. Copy the model "
                "again; if it was trained in float16, the training may have diverged."
            )


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
    folder = _names.locate(name_or_path)
    if folder is None:
        return name_or_path
    if folder.is_file():
        return str(folder)
    if not any(folder.glob("*.safetensors")):
        raise ModelError(_weights_message(name_or_path, str(folder), ""))
    _names.require_own_weights(folder)
    return str(folder)


def _tokenizer(name_or_path: str, source: str, common: dict[str, bool]) -> Any:
    with _interpreting(
        lambda found: (
            f"the model {quote(name_or_path)} has no tokenizer that can be loaded: {found} Put its tokenizer.json and "
            "tokenizer_config.json beside config.json."
        )
    ):
        tokenizer = AutoTokenizer.from_pretrained(source, **common)
    if len(tokenizer) == 0:
        raise ModelError(
            f"the model {name_or_path!r} has an empty tokenizer. Put its tokenizer.json and tokenizer_config.json "
            "beside config.json."
        )
    return tokenizer


def _weights_message(name_or_path: str, source: str, found: str) -> str:
    found = found and f" {found}"
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


def _device(device: str) -> torch.device:
    if device == "auto":
        has_mps = torch.backends.mps.is_available()
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu")
    unknown = f"device is {device!r}; expected 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'."
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
    """The precision of the weights that a setting stands for on a device.

    On an Apple GPU float32, as on a CPU: it shares the CPU's memory, and not every one computes in bfloat16.
    """
    if dtype != "auto":
        chosen: torch.dtype = getattr(torch, dtype)
        return chosen
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _first_line(error: Exception) -> str:
    """What an error says, on one short line."""
    line = quote((str(error).strip().splitlines() or [""])[0])[1:-1]
    line = f"{type(error).__name__}: {line}" if line else type(error).__name__
    return line if line.endswith((".", "!", "?")) else line + "."
