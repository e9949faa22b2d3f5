"""Optional dependencies, asked for before anything slow is done that would be lost without them."""

import importlib.util

from twosome.errors import MissingExtraError


def require_extras(
    *, track: str | None = None, quantization: str | None = None, ray: bool = False, gguf: bool = False
) -> None:
    """Check that what the settings of these names need is installed.

    Raises:
        MissingExtraError: something is not; the message says what to install.
    """
    if track is not None:
        _require(track, track, f"--track {track}")
    if quantization is not None:
        _require("bitsandbytes", "quantization", f"--quantization {quantization}")
    if ray:
        _require("ray", "ray", "--ray-workers")
    if gguf:
        _require("gguf", "gguf", "a model in a GGUF file")


def _require(module: str, extra: str, flag: str) -> None:
    if not _installed(module):
        raise MissingExtraError(
            f"{flag} needs the package {module}, which is not installed: pip install 'twosome[{extra}]'"
        )


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # it is loaded already, and from no file
        return True
