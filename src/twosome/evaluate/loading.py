"""How a language model is loaded that comes by its name, and not from a run with settings of its own."""

from dataclasses import asdict, dataclass
from typing import Any

from twosome.setting_types import DType, PromptFormat, Quantization


@dataclass(frozen=True)
class ModelOptions:
    """Flags about the model that `eval`, `score` and `bench` share; a run keeps its own settings."""

    dtype: DType | None = None
    """Precision of the model; by default auto: float32 on a CPU, bfloat16 on a GPU that has it."""
    quantization: Quantization = None
    """Load the model in fewer bits (needs the extra `quantization`)."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model. Only for sources you trust."""
    device: str | None = None
    """Where the model runs: cpu, cuda, cuda:1 ...; by default auto: a GPU if there is one."""
    prompt_format: PromptFormat | None = None
    """plain (the default), or chat: through the tokenizer's chat template."""

    def given(self) -> dict[str, Any]:
        """The options that were given; None stands for the default, so that nothing given is ever ignored."""
        return {name: value for name, value in asdict(self).items() if value not in (None, False)}

    def left_to_a_run(self) -> list[str]:
        """Flags of those that mean nothing to the model of a run; trusting its code is not one of them."""
        return [flag for flag in self.flags() if flag != "--trust-remote-code"]

    def flags(self) -> list[str]:
        """What the options that were given are called on the command line."""
        return [f"--{name.replace('_', '-')}" for name in self.given()]
