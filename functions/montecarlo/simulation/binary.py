"""kernel.c as machine code: where it is taken from, and what is checked before it may run.

1. `carried`: in kernel-<machine>.b64 beside this file, for Linux on aarch64 and x86_64. It is a part of the sources, as
   text, so that every way to deploy carries it; `make kernel` makes it anew, to the same bytes on every machine.
2. `kept`: in the user's cache folder, for other systems and processors, if it belongs to this user and nobody else may
   write to it.
3. `built`: where there is a C compiler, it is built and kept there, in half a second.

Each is text with the SHA-256 of the machine code and of the kernel.c that it was made from. One whose code has another
hash, or that was made from another kernel.c, is refused. It is loaded from memory: what was checked is what runs.
Imports the standard library only.
"""

import base64
import contextlib
import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

FOLDER = Path(__file__).parent
SOURCE = "kernel.c"
MACHINES = ("aarch64", "x86_64")
"""Processors that machine code is carried for, as Linux names them."""

OPTIONS = ("-std=c11", "-O3", "-fPIC", "-shared")
"""What every compiler is told. No option of the builder's own processor: it runs on every machine of its kind."""


class CompiledError(Exception):
    """Machine code that cannot be had, or that is refused; the message says why."""


@dataclass(frozen=True)
class Binary:
    """A shared library made from kernel.c.

    code: the library's bytes. source: SHA-256 of kernel.c. compiler, options: what made it, for people.
    """

    code: bytes
    source: str
    compiler: str
    options: str

    def to_text(self) -> str:
        """A head of `name: value` lines, an empty line, and the code as base64."""
        lines = base64.encodebytes(self.code).decode("ascii")  # 76 characters each
        return (
            f"# Machine code of {SOURCE}: docs/security.md tells how to make it again and compare.\n"
            f"library-sha256: {hashlib.sha256(self.code).hexdigest()}\n"
            f"source-sha256: {self.source}\n"
            f"compiler: {self.compiler}\n"
            f"options: {self.options}\n\n{lines}"
        )

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Raises CompiledError for a text that is damaged, or whose code has another hash than its head says."""
        head, _, lines = text.partition("\n\n")
        fields = dict(line.partition(": ")[::2] for line in head.splitlines())
        try:
            code = base64.b64decode("".join(lines.split()), validate=True)
            binary = cls(code, fields["source-sha256"], fields["compiler"], fields["options"])
            expected = fields["library-sha256"]
        except (KeyError, ValueError) as error:
            raise CompiledError(f"it is damaged: {error}") from None
        if hashlib.sha256(code).hexdigest() != expected:
            raise CompiledError("its code does not have the SHA-256 that its head says")
        return binary


def source_hash() -> str:
    """SHA-256 of kernel.c, whatever line ends a clone gave it. Raises OSError where it is missing."""
    return hashlib.sha256((FOLDER / SOURCE).read_text(encoding="utf-8").encode()).hexdigest()


def carried() -> Binary:
    """The one beside this file. Raises CompiledError where it is refused, OSError where there is none."""
    if platform.system() != "Linux":
        raise CompiledError(f"none is carried for {platform.system()}")
    path = FOLDER / file_name(platform.machine())
    return _current(path, path.read_text(encoding="ascii", errors="replace"))


def kept(cache: Path | None) -> Binary:
    """The one in the user's cache folder. Raises CompiledError where it is refused, OSError where there is none."""
    path = _own(cache) / _kept_name()
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), encoding="ascii", errors="replace") as file:
        _refuse_others(os.fstat(file.fileno()), path)
        return _current(path, file.read())


def built(cache: Path | None) -> Binary:
    """Made with this machine's C compiler, and kept in the user's cache folder.

    Several processes may do so at once: the file appears whole or not at all. Raises CompiledError where there is no
    compiler, it fails or the folder is refused, OSError where nothing can be written.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise CompiledError("there is no C compiler cc")
    if cache is not None:
        (cache / "montecarlo").mkdir(mode=0o700, parents=True, exist_ok=True)
    path = _own(cache) / _kept_name()
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        made = Path(scratch, "kernel.so")
        command = [compiler, *OPTIONS, str(FOLDER / SOURCE), "-o", str(made)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise CompiledError(f"{shlex.join(command)} failed: {done.stderr[-2000:]}")
        binary = Binary(made.read_bytes(), source_hash(), compiler, " ".join(OPTIONS))
        text = Path(scratch, path.name)
        text.write_text(binary.to_text(), encoding="ascii")
        text.chmod(0o600)
        text.replace(path)
    return binary


def file_name(machine: str) -> str:
    """The name of the file that is carried for a machine."""
    return f"kernel-{machine}.b64"


def opened(binary: Binary) -> ctypes.CDLL:
    """The library, loaded. Raises OSError where it is none for this machine.

    From memory; where the system has no such files, from one in a folder that only this user may enter and that is gone
    afterwards.
    """
    if hasattr(os, "memfd_create"):
        with contextlib.suppress(OSError):  # refused, or no /proc here, or no library for this machine
            memory = os.memfd_create("kernel")
            Path(f"/proc/self/fd/{memory}").write_bytes(binary.code)
            # It stays open: the loader takes two files of one name, such as this number, for the same library.
            return ctypes.CDLL(f"/proc/self/fd/{memory}")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "kernel.so")
        path.write_bytes(binary.code)
        return ctypes.CDLL(str(path))


def _kept_name() -> str:
    return f"kernel-{platform.system()}-{platform.machine()}.b64".lower()


def _current(path: Path, text: str) -> Binary:
    """A file's binary. Raises CompiledError unless it is whole and made from today's kernel.c."""
    try:
        binary = Binary.from_text(text)
    except CompiledError as error:
        raise CompiledError(f"{path}: {error}") from None
    if binary.source != source_hash():
        raise CompiledError(f"{path} was made from another {SOURCE}")
    return binary


def _own(cache: Path | None) -> Path:
    """Our folder in the user's cache folder. Raises CompiledError unless only this user may write to it."""
    if cache is None:
        raise CompiledError("there is no cache folder")
    folder = cache / "montecarlo"
    _refuse_others(folder.lstat(), folder)
    return folder


def _refuse_others(status: os.stat_result, path: Path) -> None:
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise CompiledError(f"{path} belongs to another user, or others may write to it")
