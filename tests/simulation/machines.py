"""Computers as `binary` finds them: with and without machine code that is carried, a compiler, memory to load from."""

import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from montecarlo.simulation import binary, compiled

CARRIED = platform.system() == "Linux" and platform.machine() in binary.MACHINES

needs_carried = pytest.mark.skipif(not CARRIED, reason="no machine code is carried for this computer")
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler cc")


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A copy of our own files, in the place of ours. Nothing that was loaded before is remembered, nor is it after."""
    folder = tmp_path / "sources"
    folder.mkdir()
    for path in [binary.FOLDER / binary.SOURCE, *binary.FOLDER.glob("*.b64")]:
        shutil.copy(path, folder)
    monkeypatch.setattr(binary, "FOLDER", folder)
    compiled.load.cache_clear()
    yield folder
    compiled.load.cache_clear()


@pytest.fixture
def other_computer(sources: Path) -> Path:
    """A computer that no machine code is carried for. Gives its user's cache folder, where nothing was built yet."""
    for path in sources.glob("*.b64"):
        path.unlink()
    return sources.parent / "cache"


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """A computer without a C compiler."""
    monkeypatch.setattr(shutil, "which", lambda name: None)


@pytest.fixture
def no_memory_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A computer that cannot load from memory, such as macOS."""
    monkeypatch.delattr(os, "memfd_create", raising=False)
