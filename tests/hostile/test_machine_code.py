"""Machine code that somebody damaged, swapped or planted is never loaded: NumPy goes on, to the same bits."""

import ctypes
import hashlib
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from montecarlo.simulation import binary, compiled
from montecarlo.simulation.binary import MACHINES, Binary, CompiledError
from tests.simulation.machines import needs_carried, needs_compiler
from tests.simulation.test_binary import carried, simulated

Loaded = list[str]


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Loaded:
    """The SHA-256 of all that is handed to the system's loader."""
    found: Loaded = []
    real = binary.opened

    def watched(made: Binary) -> ctypes.CDLL:
        found.append(hashlib.sha256(made.code).hexdigest())
        return real(made)

    monkeypatch.setattr(binary, "opened", watched)
    return found


def here(folder: Path) -> Path:
    return folder / binary.file_name(platform.machine())


def head_and_lines(text: str) -> tuple[str, list[str]]:
    head, _, lines = text.partition("\n\n")
    return head, lines.splitlines()


# ---------------------------------------------------------------------------------------------------------------------
# What is carried


def other_character(text: str) -> str:
    """One character of the code is another."""
    head, lines = head_and_lines(text)
    lines[9] = ("B" if lines[9][0] == "A" else "A") + lines[9][1:]
    return head + "\n\n" + "\n".join(lines)


def truncated(text: str) -> str:
    return text[: len(text) // 2]


def without_a_line(text: str) -> str:
    head, lines = head_and_lines(text)
    return head + "\n\n" + "\n".join(lines[:-3] + lines[-2:])


def no_base64(text: str) -> str:
    return text.rstrip() + "\n<html>"


def other_hash(text: str) -> str:
    return text.replace("library-sha256: ", "library-sha256: 0")


def no_hash(text: str) -> str:
    return text.replace("library-sha256: ", "library: ")


def no_head(text: str) -> str:
    return text.partition("\n\n")[2]


def nothing(text: str) -> str:
    return ""


def other_source(text: str) -> str:
    return text.replace("source-sha256: ", "source-sha256: 0")


DAMAGES = [other_character, truncated, without_a_line, no_base64, other_hash, no_hash, no_head, nothing, other_source]


@needs_carried
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_code_is_not_loaded(
    sources: Path,
    no_compiler: None,
    loaded: Loaded,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[str], str],
) -> None:
    path = here(sources)
    path.write_text(damage(path.read_text(encoding="ascii")), encoding="ascii")
    assert simulated() == "numpy"
    assert loaded == []
    assert str(path) in caplog.text


@needs_carried
def test_no_text_at_all_is_not_loaded(sources: Path, no_compiler: None, loaded: Loaded) -> None:
    here(sources).write_bytes(carried(platform.machine()).code)
    assert simulated() == "numpy"
    assert loaded == []


@needs_carried
@pytest.mark.parametrize("how", ["memory", "file"])
def test_code_of_another_processor_does_not_load(
    sources: Path, no_compiler: None, request: pytest.FixtureRequest, how: str
) -> None:
    if how == "file":
        request.getfixturevalue("no_memory_files")
    (other,) = set(MACHINES) - {platform.machine()}
    shutil.copy(sources / binary.file_name(other), here(sources))
    assert simulated() == "numpy"


@needs_carried
def test_a_library_without_the_kernels_functions_does_not_load(sources: Path, no_compiler: None) -> None:
    code = carried(platform.machine()).code.replace(b"find_defaults", b"find_nothing_")
    here(sources).write_text(replace(carried(platform.machine()), code=code).to_text(), encoding="ascii")
    assert simulated() == "numpy"


@needs_carried
def test_two_libraries_in_one_process_are_two(tmp_path: Path) -> None:
    """The loader takes a file of the same name for the one that it has: what was checked first would run again."""
    right = carried(platform.machine())
    wrong = replace(right, code=right.code.replace(b"find_defaults", b"find_nothing_"))
    for _ in range(3):
        assert compiled.Library(right)
        with pytest.raises(AttributeError):
            compiled.Library(wrong)


# ---------------------------------------------------------------------------------------------------------------------
# What is kept in the user's cache


@pytest.fixture
def planted(other_computer: Path) -> Path:
    """A library in the cache that is whole and made from today's source, as `built` leaves it."""
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler cc")
    binary.built(other_computer)
    (path,) = (other_computer / "montecarlo").iterdir()
    return path


def test_what_this_user_built_is_loaded(other_computer: Path, planted: Path, no_compiler: None, loaded: Loaded) -> None:
    assert simulated(other_computer) == "compiled"
    assert len(loaded) == 1


@pytest.mark.parametrize("mode", [0o602, 0o620, 0o666, 0o777])
def test_a_file_that_others_may_write_is_not_loaded(
    other_computer: Path, planted: Path, no_compiler: None, loaded: Loaded, mode: int
) -> None:
    planted.chmod(mode)
    assert simulated(other_computer) == "numpy"
    assert loaded == []


@pytest.mark.parametrize("mode", [0o702, 0o720, 0o777, 0o1777])
def test_nothing_of_a_folder_that_others_may_write_is_loaded_or_built(
    other_computer: Path, planted: Path, loaded: Loaded, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A compiler is there, and is not used either: what it makes could be swapped before it is read."""
    planted.parent.chmod(mode)
    assert simulated(other_computer) == "numpy"
    assert loaded == []
    assert "others may write to it" in caplog.text


def test_a_file_of_another_user_is_not_loaded(
    other_computer: Path, planted: Path, no_compiler: None, loaded: Loaded
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to another user")
    os.chown(planted, 65534, -1)
    assert simulated(other_computer) == "numpy"
    assert loaded == []


def test_nothing_of_another_users_folder_is_loaded(
    other_computer: Path, planted: Path, loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert simulated(other_computer) == "numpy"
    assert loaded == []


def test_a_link_in_the_cache_is_not_followed(
    other_computer: Path, planted: Path, no_compiler: None, loaded: Loaded
) -> None:
    elsewhere = planted.rename(other_computer / "elsewhere.b64")
    planted.symlink_to(elsewhere)
    assert simulated(other_computer) == "numpy"
    folder = planted.parent.rename(other_computer / "folder")
    planted.parent.symlink_to(folder)
    compiled.load.cache_clear()
    assert simulated(other_computer) == "numpy"
    assert loaded == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_code_of_the_cache_is_not_loaded(
    other_computer: Path, planted: Path, no_compiler: None, loaded: Loaded, damage: Callable[[str], str]
) -> None:
    planted.write_text(damage(planted.read_text(encoding="ascii")), encoding="ascii")
    assert simulated(other_computer) == "numpy"
    assert loaded == []


@needs_compiler
def test_damaged_code_of_the_cache_is_built_again(other_computer: Path, planted: Path) -> None:
    whole = planted.read_text(encoding="ascii")
    planted.write_text(truncated(whole), encoding="ascii")
    assert simulated(other_computer) == "compiled"
    assert Binary.from_text(planted.read_text(encoding="ascii")).source == Binary.from_text(whole).source


@needs_carried
def test_what_is_carried_comes_before_what_lies_in_the_cache(sources: Path, loaded: Loaded, tmp_path: Path) -> None:
    """A cache cannot put its own in the place of ours."""
    folder = tmp_path / "montecarlo"
    folder.mkdir(mode=0o700)
    own = replace(carried(platform.machine()), code=b"\x7fELF planted")
    (folder / f"kernel-linux-{platform.machine()}.b64").write_text(own.to_text(), encoding="ascii")
    assert binary.kept(tmp_path) == own
    assert simulated(tmp_path) == "compiled"
    assert loaded == [hashlib.sha256(carried(platform.machine()).code).hexdigest()]


@pytest.mark.parametrize("text", ["", "\n\n", "library-sha256: x\n\nAAAA", "library-sha256 x\n\n", "\x00\n\n\x00"])
def test_any_text_is_refused_in_words(text: str) -> None:
    with pytest.raises(CompiledError):
        Binary.from_text(text)
