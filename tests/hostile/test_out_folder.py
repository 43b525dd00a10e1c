"""The folder of results under kills at every moment, refusals, planted links, and keys that lead elsewhere."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli import CommandError, folder, results, simulation
from cli.deployment import Stack
from tests.memory_s3 import MemoryS3

RUN = "june"
OLD = {"result.json": b'{"old": 1}', "report.html": b"old", "plan.json": b"{}", "loans/00000-000000.parquet": b"old"}
NEW = {
    "result.json": b'{"new": 22}',
    "report.html": b"new!",
    "losses.parquet": b"n" * 99,
    "rejects/0-1.parquet": b"new",
}
THEIRS = {"notes.txt": b"mine", "loans/my own.csv": b"mine too", "deep/er/x.bin": b"\0", "loans.csv": b"AccountID\n"}


def write(files: dict[str, bytes]) -> Callable[[Path], None]:
    def into(place: Path) -> None:
        for name, data in files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(data)

    return into


def content(place: Path) -> dict[str, bytes]:
    """Every file below a folder; links are not followed."""
    return {
        path.relative_to(place).as_posix(): path.read_bytes()
        for root, _, files in os.walk(place)
        for path in (Path(root, name) for name in files)
        if path.name != folder.LIST
    }


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder with an earlier run's results and files of the user's own."""
    place = tmp_path / "home" / "out"
    place.parent.mkdir()
    folder.replace(place, list(OLD), write(OLD))
    write(THEIRS)(place)
    return place


def beside(place: Path) -> list[str]:
    return sorted(entry.name for entry in place.parent.iterdir() if entry != place)


def test_new_results_take_the_place_of_old_ones_and_nothing_else_moves(out: Path) -> None:
    inode = (out / "notes.txt").stat().st_ino
    out.chmod(0o700)
    folder.replace(out, list(NEW), write(NEW))
    assert content(out) == NEW | THEIRS
    assert (out / "notes.txt").stat().st_ino == inode
    assert out.stat().st_mode & 0o777 == 0o700, "who may read loans stays as it was"
    assert folder.listed(out) == set(NEW)
    assert beside(out) == []


@pytest.mark.parametrize("at_once", [True, False], ids=["one step", "three steps"])
def test_a_kill_at_any_moment_leaves_the_old_or_the_new_results_whole(
    tmp_path: Path, at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is killed at its first call of the system, at its second, and so on, until it gets through."""
    if not at_once:
        monkeypatch.setattr(folder, "_exchange_at_once", lambda *_: False)
    seen = set()
    for moment in range(1, 1_000):
        place = tmp_path / str(moment) / "out"
        place.parent.mkdir()
        folder.replace(place, list(OLD), write(OLD))
        write(THEIRS)(place)
        survived = killed_at(moment, lambda: folder.replace(place, list(NEW), write(NEW)))  # noqa: B023
        folder.checked(place, results.FILES)  # as the next command begins
        ours = {name: data for name, data in content(place).items() if name not in THEIRS}
        assert ours in (OLD, NEW), f"killed at call {moment}"
        assert content(place).items() >= THEIRS.items(), f"killed at call {moment}"
        assert folder.listed(place) == set(ours)
        seen.add("old" if ours == OLD else "new")
        folder.replace(place, list(NEW), write(NEW))  # what the dead one left is in nobody's way, and is cleared up
        assert content(place) == NEW | THEIRS
        assert beside(place) == []
        if survived:
            break
    else:
        raise AssertionError("it never got through")
    assert seen == {"old", "new"}
    assert moment > 40, "the calls were seen"


def killed_at(moment: int, act: Callable[[], None]) -> bool:
    """Act in a process of its own that dies at the given call of the system; whether it came to its end."""
    child = os.fork()
    if child == 0:
        left = moment

        def count(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal left
            if event.startswith(("os.", "open", "shutil.", "ctypes.call", "ctypes.dlsym")) or event == "open":
                left -= 1
                if left == 0:
                    os._exit(9)

        sys.addaudithook(count)
        try:
            act()
        except BaseException:
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9)
    return status == 0


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt(), RuntimeError("x")])
def test_results_that_cannot_be_written_leave_the_old_ones(out: Path, failure: BaseException) -> None:
    def fail(place: Path) -> None:
        write({"result.json": b"half"})(place)
        raise failure

    with pytest.raises(type(failure)):
        folder.replace(out, list(NEW), fail)
    assert content(out) == OLD | THEIRS
    assert beside(out) == []


def test_a_file_that_appears_meanwhile_is_kept(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = folder._exchange

    def late(one: Path, other: Path) -> None:
        (one / "late.txt").write_bytes(b"just saved")
        real(one, other)

    monkeypatch.setattr(folder, "_exchange", late)
    folder.replace(out, list(NEW), write(NEW))
    assert content(out) == NEW | THEIRS
    (kept,) = (out.parent / name for name in beside(out))
    assert content(kept) == {"late.txt": b"just saved"}


def test_a_folder_without_our_list_is_refused_whatever_it_is_called(tmp_path: Path) -> None:
    for name in ("plan.json", "failure.json", "result.json", "thesis.doc"):
        place = tmp_path / name.replace(".", "-")
        place.mkdir()
        (place / name).write_text("years of work")
        with pytest.raises(CommandError, match="no earlier run's results"):
            results.checked(place)
        assert (place / name).read_text() == "years of work"


def test_what_results_may_not_replace(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (out / "losses.parquet").write_bytes(b"theirs")
    with pytest.raises(CommandError, match=r"losses\.parquet is none of our files.*move it away"):
        results.checked(out)
    with pytest.raises(CommandError, match=r"losses\.parquet is none of our files"):
        folder.replace(out, list(NEW), write(NEW))
    assert content(out) == OLD | THEIRS | {"losses.parquet": b"theirs"}
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for place, message in (
        (tmp_path / "file", "is a file"),
        (tmp_path / "file" / "below", "cannot be (made|written)|cannot take"),
        (tmp_path / "loop", "cannot take results|is a file|cannot be"),
        (tmp_path / ("x" * 250), "too long|cannot take"),
        (tmp_path / "nul\0", "cannot take results"),
    ):
        with pytest.raises(CommandError, match=message):
            results.checked(place)
    monkeypatch.chdir(out / "deep")
    with pytest.raises(CommandError, match="is the current folder or around it"):
        results.checked(out)


def test_a_link_to_a_folder_is_the_folder(out: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(out)
    place, _ = results.checked(tmp_path / "latest")
    assert place == out


MOUNT_AND_CHECK = """
set -e
mount $1 "$2"
exec "$3" -c 'import sys; from pathlib import Path; from cli import folder; folder.checked(Path(sys.argv[1]), ())' "$2"
"""


@pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode != 0,
    reason="nothing can be mounted here",
)
@pytest.mark.parametrize("mount", ["-t tmpfs none", "--bind ."], ids=["another disk", "the same disk"])
def test_a_mount_point_is_refused_before_anything_is_simulated(tmp_path: Path, mount: str) -> None:
    """As a container's volume is one: it cannot be renamed, and what is copied file by file is not whole at a kill."""
    place = tmp_path / "the volume"
    place.mkdir()
    mounted = subprocess.run(
        ["unshare", "-rm", "sh", "-c", MOUNT_AND_CHECK, "sh", mount, place, sys.executable],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert f"{place} is a mount point" in mounted.stderr
    assert f"choose a folder inside it, such as {place / 'out'}, with --out" in mounted.stderr
    assert folder.checked(place, ()) == place, "without the mount it is a folder as any other"


@pytest.mark.parametrize("names", ['["../notes"]', '["/etc/x"]', '[""]', '["a//b"]', "[1, null]", '"x"', "{}", "]"])
def test_a_list_that_was_tampered_with_removes_nothing_outside(out: Path, names: str) -> None:
    (out.parent / "notes").write_text("mine")
    (out / folder.LIST).write_text(f'{{"files": {names}}}')
    before = content(out)
    with contextlib.suppress(CommandError):
        folder.replace(out, ["estimate.json"], write({"estimate.json": b"{}"}))
    assert content(out).items() >= before.items(), "what the list no longer names is nobody's to remove"
    assert (out.parent / "notes").read_text() == "mine"


# ---------------------------------------------------------------------------------------------------------------------
# Downloads


class Bucket(MemoryS3):
    """A bucket whose listing may hold any key."""

    def stack(self) -> Stack:
        return Stack(cast(Any, self), {"DataBucket": "bucket"})

    def client(self, service: str, **_: Any) -> "Bucket":
        return self


HOSTILE_KEYS = (
    "../escaped.json", "../../escaped", "/escaped", "//etc/escaped", "loans/../../escaped.parquet", "loans/..",
    "loans/../escaped.parquet", "loans\\..\\escaped.parquet", "..\\escaped", "C:\\escaped", "loans//etc/x.parquet",
    "loans/a/b.parquet", "loans/.parquet", "loans/", "", ".", "report.html/x", "result.json\0", "result.json\n",
    "loans/\x1b[2J.parquet", "loans/ü.parquet", f"{folder.LIST}", "groups/00000/chunk-000000.npz",
    "waves/001/groups/00000/chunk-000000.npz", "scenarios.npz", "RESULT.JSON",
)  # fmt: skip
KEYS = st.one_of(
    st.sampled_from(HOSTILE_KEYS),
    st.text(st.sampled_from("./\\~a0-\0\n\x1b "), max_size=12),
    st.builds("{}/{}.parquet".format, st.sampled_from(results.FOLDERS), st.text(max_size=8)),
)


@given(st.lists(KEYS, max_size=6))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_downloads_stay_in_the_folder_whatever_keys_there_are(tmp_path: Path, keys: list[str]) -> None:
    home = tmp_path / f"{time.monotonic_ns()}"
    home.mkdir()
    bucket = Bucket()
    good = {"result.json": b"{}", "loans/00000-000000.parquet": b"rows"}
    for name in (*keys, *good):
        bucket.objects[f"runs/{RUN}/{name}"] = good.get(name, b"hostile")
    out, _ = results.checked(home / "out")
    brought = results.download(bucket.stack(), RUN, out)
    assert [entry.name for entry in home.iterdir()] == ["out"]
    assert content(out).items() >= good.items()
    assert set(content(out)) == set(brought)
    assert all(name in results.FILES or name.split("/")[0] in results.FOLDERS for name in brought)


def test_links_planted_in_the_folder_lead_nowhere(out: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"precious")
    (out / "segments.parquet").symlink_to(outside / "precious")
    (out / "rejects").symlink_to(outside)
    bucket = Bucket()
    for name in NEW:
        bucket.objects[f"runs/{RUN}/{name}"] = NEW[name]
    with pytest.raises(CommandError, match="is none of our files"):
        results.checked(out)
    with pytest.raises(CommandError, match="is none of our files"):
        results.download(bucket.stack(), RUN, out)
    assert content(outside) == {"precious": b"precious"}
    assert json.loads((out / "result.json").read_bytes()) == {"old": 1}


def test_a_full_disk_is_told_and_the_old_results_stay(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket()
    bucket.objects = {f"runs/{RUN}/{name}": data for name, data in NEW.items()}

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(CommandError, match=r"cannot be written to .*No space left.*What was there is unchanged"):
        results.download(bucket.stack(), RUN, out)
    assert content(out) == OLD | THEIRS


@pytest.mark.parametrize("lost", [["out"], ["out", "out-failed"]], ids=["the folder", "the one beside it, too"])
def test_results_that_their_folder_does_not_take_are_kept_elsewhere(
    out: Path, monkeypatch: pytest.MonkeyPatch, lost: list[str]
) -> None:
    """The embedded AWS ends with the command, and what was simulated would be lost with it."""
    bucket = Bucket()
    bucket.objects = {f"runs/{RUN}/{name}": data for name, data in NEW.items()}
    ending = simulation.Ending(*results.checked(out), stays=False)
    (out.parent / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(out.parent / "temporary"))

    def simulated(*_: Any) -> None:
        for name in lost:  # since the check before the run
            write({"losses.parquet": b"theirs"})(out.with_name(name))

    monkeypatch.setattr(simulation, "watched", simulated)
    with pytest.raises(CommandError, match=r"is none of our files.*The results are in .* instead\.") as told:
        simulation.finish(bucket.stack(), Mock(), RUN, ending)
    kept = Path(str(told.value).rpartition("The results are in ")[2].removesuffix(" instead."))
    assert content(kept) == NEW
    assert (kept == ending.failed) == (lost == ["out"])
    assert content(out) == OLD | THEIRS | {"losses.parquet": b"theirs"}


def test_results_of_a_stack_that_stays_are_there_to_be_downloaded(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket()
    bucket.objects = {f"runs/{RUN}/{name}": data for name, data in NEW.items()}
    ending = simulation.Ending(*results.checked(out), stays=True)
    monkeypatch.setattr(simulation, "watched", lambda *_: write({"losses.parquet": b"theirs"})(out))
    with pytest.raises(CommandError, match=rf"is none of our files.*on the stack.*download {RUN} --out"):
        simulation.finish(bucket.stack(), Mock(), RUN, ending)
    assert beside(out) == []


def test_a_comparison_does_not_take_the_place_of_a_run(out: Path) -> None:
    before = content(out)
    with pytest.raises(CommandError, match="holds a run's results, which this is none of"):
        folder.checked(out, ["what-if.json", "report.html"])
    assert content(out) == before
    assert folder.checked(out, list(NEW)) == out.resolve()
