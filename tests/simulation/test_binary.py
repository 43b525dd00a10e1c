"""The kernel's machine code: whole, made from today's kernel.c, and never a reason for a run to fail."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from montecarlo.model.parameters import load
from montecarlo.simulation import binary, compiled, kernel
from montecarlo.simulation.binary import MACHINES, Binary, CompiledError
from publishing import kernel as publishing
from tests.pools import drawn_of
from tests.simulation.machines import needs_carried, needs_compiler
from tests.simulation.test_kernel import mixed


def carried(machine: str) -> Binary:
    return Binary.from_text((binary.FOLDER / binary.file_name(machine)).read_text(encoding="ascii"))


def simulated(cache: Path | None = None) -> kernel.Kernel:
    """What simulates a few loans."""
    tables, drawn = drawn_of(load(), 50)
    return kernel.simulate(mixed(tables, 20), tables, drawn, 1, cache=cache).kernel


# ---------------------------------------------------------------------------------------------------------------------
# What is committed


@pytest.mark.parametrize("machine", MACHINES)
def test_what_is_carried_was_made_from_kernel_c(machine: str) -> None:
    """Needs no compiler: the file's head names the source."""
    assert carried(machine).source == binary.source_hash(), "kernel.c was changed: run `make kernel`"


@pytest.mark.parametrize(("machine", "number"), [("aarch64", 183), ("x86_64", 62)])
def test_what_is_carried_is_a_library_for_its_processor(machine: str, number: int) -> None:
    """By ELF's header: 64 bits, little-endian, a shared object, the processor's number."""
    code = carried(machine).code
    assert code[:6] == b"\x7fELF\x02\x01"
    assert code[16:20] == bytes([3, 0, number, 0])


def test_it_is_made_of_the_same_bytes_again() -> None:
    if not publishing.PYTHON.exists():
        pytest.skip("Zig's C compiler is not installed: `make compiler` does it")
    for path, made in publishing.built():
        assert path.read_text(encoding="ascii") == made.to_text(), f"{path.name}: run `make kernel`"


def test_the_compiler_is_pinned_where_its_name_comes_from() -> None:
    pinned = (Path(__file__).parents[2] / "requirements/zig.in").read_text(encoding="utf-8")
    for machine in MACHINES:
        name, version = carried(machine).compiler.split()
        assert f"\n{name}=={version}\n" in pinned


def test_without_the_compiler_its_maker_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(publishing, "PYTHON", Path("/nowhere/.venv-zig/bin/python"))
    assert publishing.main(["--check"]) == 2
    assert "run `make kernel`" in capsys.readouterr().err


def test_its_text_gives_the_same_binary_back() -> None:
    for machine in MACHINES:
        made = carried(machine)
        assert Binary.from_text(made.to_text()) == made


def test_line_ends_of_windows_make_no_other_source(sources: Path) -> None:
    before = binary.source_hash()
    (sources / binary.SOURCE).write_bytes((sources / binary.SOURCE).read_bytes().replace(b"\n", b"\r\n"))
    for path in sources.glob("*.b64"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert binary.source_hash() == before
    if (sources / binary.file_name(platform.machine())).exists():
        assert binary.carried().source == before


# ---------------------------------------------------------------------------------------------------------------------
# Where it is taken from


@needs_carried
def test_what_is_carried_needs_no_cache_and_no_compiler(sources: Path, no_compiler: None) -> None:
    assert simulated() == "compiled"
    assert not (sources.parent / "cache").exists()


@needs_carried
def test_it_is_loaded_from_a_file_where_memory_is_none(
    sources: Path, no_memory_files: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert simulated() == "compiled"
    assert list(tmp_path.iterdir()) == [sources], "nothing is left behind"


@needs_carried
def test_it_is_loaded_from_a_file_where_memory_is_refused(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> int:
        raise PermissionError(name)

    monkeypatch.setattr(os, "memfd_create", refuse)
    assert simulated() == "compiled"


@needs_carried
@needs_compiler
def test_a_changed_source_is_built_and_not_taken_for_what_is_carried(sources: Path) -> None:
    with (sources / binary.SOURCE).open("a", encoding="utf-8") as file:
        file.write("/* changed */\n")
    with pytest.raises(CompiledError, match=r"was made from another kernel\.c"):
        binary.carried()
    found = compiled.load(sources.parent / "cache")
    assert found is not None
    assert found.binary.source == binary.source_hash()
    assert not found.binary.compiler.startswith("ziglang")


@needs_compiler
def test_elsewhere_it_is_built_once_and_kept(other_computer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert simulated(other_computer) == "compiled"
    (made,) = (other_computer / "montecarlo").iterdir()
    assert (made.stat().st_mode & 0o777, made.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    compiled.load.cache_clear()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert simulated(other_computer) == "compiled"


@needs_compiler
def test_one_of_an_older_source_is_built_again(other_computer: Path) -> None:
    older = binary.built(other_computer)
    with (binary.FOLDER / binary.SOURCE).open("a", encoding="utf-8") as file:
        file.write("/* changed */\n")
    found = compiled.load(other_computer)
    assert found is not None
    assert found.binary.source == binary.source_hash() != older.source
    assert binary.kept(other_computer) == found.binary


def test_without_a_compiler_numpy_does_it_and_the_log_says_why(
    other_computer: Path, no_compiler: None, caplog: pytest.LogCaptureFixture
) -> None:
    assert simulated(other_computer) == "numpy"
    assert not other_computer.exists()
    assert "NumPy simulates" in caplog.text
    assert "there is no C compiler cc" in caplog.text


def test_a_compiler_that_fails_leaves_nothing(
    other_computer: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/false")
    assert simulated(other_computer) == "numpy"
    assert not list((other_computer / "montecarlo").iterdir())
    assert "/bin/false -std=c11" in caplog.text


@pytest.mark.parametrize("cache", [None, Path("/dev/null")])
def test_without_a_place_to_keep_it_numpy_does_it(other_computer: Path, cache: Path | None) -> None:
    assert simulated(cache) == "numpy"


def test_without_its_source_numpy_does_it(sources: Path) -> None:
    (sources / binary.SOURCE).unlink()
    assert simulated(sources.parent / "cache") == "numpy"


@needs_compiler
def test_several_processes_may_build_it_at_once(other_computer: Path) -> None:
    program = (
        "import sys, pathlib; from montecarlo.simulation import binary, compiled; "
        "binary.FOLDER = pathlib.Path(sys.argv[1]); print(compiled.load(pathlib.Path(sys.argv[2])).binary.source)"
    )
    command = [sys.executable, "-c", program, str(binary.FOLDER), str(other_computer)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    printed = {process.communicate()[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert printed == {hashlib.sha256((binary.FOLDER / binary.SOURCE).read_bytes()).hexdigest()}
    assert len(list((other_computer / "montecarlo").iterdir())) == 1
