"""The functions' code, zipped by terraform/modules/package/zip.tf."""

import base64
import io
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.terraform.clone import ROOT, Clone

MODULE = "terraform/modules/package"


def zipped(clone: Clone) -> bytes:
    """What zip.tf makes of the clone's functions. It needs no provider, so it is tried without the module around it."""
    alone = clone.folder / "terraform" / "modules" / "alone"
    shutil.rmtree(alone, ignore_errors=True)
    alone.mkdir()
    shutil.copy(clone.folder / MODULE / "zip.tf", alone)
    (alone / "outputs.tf").write_text('output "zip" {\n  value = local.zip_base64\n}\n')
    within = str(alone.relative_to(clone.folder))
    clone.succeed("init", within=within)
    clone.succeed("apply", "-auto-approve", within=within)
    return base64.b64decode(clone.succeed("output", "-raw", "zip", within=within))


@pytest.fixture(scope="module")
def archive(new_clone: Callable[[], Clone]) -> bytes:
    return zipped(new_clone())


def test_the_archive_holds_what_git_has_under_functions(archive: bytes) -> None:
    """Whole files, byte for byte; a new kind of file must be named in zip.tf."""
    git = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "functions"]
    known = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    if not known:
        pytest.skip("not a git checkout: no list of the project's files")
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.testzip() is None
        assert sorted(f"functions/{name}" for name in opened.namelist()) == sorted(
            name for name in known if (ROOT / name).exists()
        )
        for name in opened.namelist():
            assert opened.read(name) == (ROOT / "functions" / name).read_bytes(), name


def test_lambda_may_read_the_files_and_their_time_is_always_the_same(archive: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        for member in opened.infolist():
            assert member.external_attr >> 16 == 0o100644
            assert member.create_system == 3
            assert member.date_time == (1980, 1, 1, 0, 0, 0)
            assert member.compress_type == zipfile.ZIP_DEFLATED


def test_a_reader_that_goes_from_front_to_back_finds_the_same(archive: bytes) -> None:
    """No gaps: each file's header says where the next begins, and the directory begins after the last file."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        position = 0
        for member in opened.infolist():
            assert member.header_offset == position
            assert archive[position : position + 4] == b"PK\3\4"
            assert archive[position + 30 :].startswith(member.filename.encode())
            position += 30 + len(member.filename) + member.compress_size
        assert position == opened.start_dir


def test_other_zip_programs_accept_it(archive: bytes, tmp_path: Path) -> None:
    programs = [
        [name, *rest] for name, *rest in (["unzip", "-tq"], ["bsdtar", "-tf"], ["7z", "t"]) if shutil.which(name)
    ]
    if not programs:
        pytest.skip("none of unzip, bsdtar and 7z is installed")
    path = tmp_path / "functions.zip"
    path.write_bytes(archive)
    for program in programs:
        subprocess.run([*program, str(path)], check=True, capture_output=True)


def test_line_ends_of_windows_and_leftovers_of_python_make_no_other_archive(
    archive: bytes, new_clone: Callable[[], Clone]
) -> None:
    clone = new_clone()
    for path in (clone.folder / "functions").rglob("*.py"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    (clone.folder / "functions" / "__pycache__").mkdir()
    (clone.folder / "functions" / "__pycache__" / "plan.cpython-313.pyc").write_bytes(bytes(range(256)))
    assert zipped(clone) == archive


@pytest.mark.parametrize(
    "content",
    ["", "x", "\n", "Φ⁻¹(PD) − √ρ·z  # é\n", "0123456789abcdef" * 70_000],
    ids=["empty", "one byte", "newline", "not ASCII", "longer than 1 MB"],
)
def test_any_file_survives(content: str, new_clone: Callable[[], Clone]) -> None:
    clone = new_clone()
    shutil.rmtree(clone.folder / "functions")
    (clone.folder / "functions" / "package").mkdir(parents=True)
    (clone.folder / "functions" / "package" / "module.py").write_text(content, encoding="utf-8")
    (clone.folder / "functions" / "other.json").write_text("{}", encoding="utf-8")
    with zipfile.ZipFile(io.BytesIO(zipped(clone))) as opened:
        assert opened.testzip() is None
        assert opened.namelist() == ["other.json", "package/module.py"]
        assert opened.read("package/module.py").decode() == content
