"""Optional dependencies, asked for before anything slow is done that would be lost without them."""

import importlib.util

from twosome.errors import MissingExtraError


def require_extras(
    *, track: str | None = None, quantization: str | None = None, ray: bool = False, gguf: bool = False
) -> None:
    """Check that what the settings of these names need is installed, or raise MissingExtraError."""
    if track is not None:
        require_package(track, track, f"--track {track}")
    if quantization is not None:
        require_package("bitsandbytes", "quantization", f"--quantization {quantization}")
    if ray:
        require_package("ray", "ray", "--ray-workers")
    if gguf:
        require_package("gguf", "gguf", "a model in a GGUF file")


def require_serving(what: str) -> None:
    """Check that what a server is made of is installed, or raise MissingExtraError."""
    for package in ("pydantic", "starlette", "uvicorn"):
        require_package(package, "serve", what)


def require_package(module: str, extra: str, what: str) -> None:
    """Check that the package of an extra is installed.

    Args:
        module: what the package is imported as.
        extra: of `twosome`, which brings the package.
        what: needs it.

    Raises:
        MissingExtraError: it is not; the message says what to install.
    """
    if not _installed(module):
        raise MissingExtraError(
            f"{what} needs the package {module}, which is not installed: pip install 'twosome[{extra}]'"
        )


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # it is loaded already, and from no file
        return True
