"""A folder of results that is replaced as a whole: at every moment it holds the old ones or the new ones.

New files are written into a folder beside it, which then takes its place in one step. A list in the folder names the
files that are ours; nothing else is ever removed, and what else lies in the folder comes along.

Imports our errors and the standard library only.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from cli import CommandError

LIST = ".montecarlo-results.json"
"""In the folder: the names of the files there that are ours."""

RESULT = "result.json"
"""What a run's results have, and no other command's do."""

LONGEST_NAME = 200
"""Bytes of the folder's own name; the names beside it are longer, and file systems allow 255."""

_INCOMING, _PREVIOUS = ".incoming-", ".previous-"


def checked(path: Path, names: Collection[str]) -> Path:
    """The folder that results may go to, its whole path spelled out. Nothing is made there, nothing replaced.

    Args:
        path: a folder that is not there yet, that is empty, or that holds results and perhaps other files.
        names: what results are called in the folder, at its top.

    Raises:
        CommandError: it is no folder, holds files but no results of ours, or a run's where others are to come, holds
            another file under a name that the results need, is the current folder or around it, is a mount point, or
            cannot be written to.
    """
    try:
        folder = path.resolve()
        _bring_back(folder)
        if Path.cwd().is_relative_to(folder):
            raise CommandError(
                f"{path} is the current folder or around it, and would be replaced: name a folder in it with --out."
            )
        if folder.exists() and not folder.is_dir():
            raise CommandError(f"{path} is a file: name a folder for the results with --out.")
        if _is_mounted(folder):  # file by file, a kill would leave old and new results mixed
            raise CommandError(
                f"{path} is a mount point, which cannot be replaced as a whole: choose a folder inside it, such as "
                f"{path / 'out'}, with --out."
            )
        there = next(parent for parent in folder.parents if parent.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise CommandError(f"{path} cannot be made or replaced, as {there} cannot be written to: choose another.")
        if len(os.fsencode(folder.name)) > LONGEST_NAME:
            raise CommandError(f"{path}: the name is too long; choose a shorter one with --out.")
        if folder.exists() and any(folder.iterdir()):
            if not (folder / LIST).is_file():
                raise CommandError(
                    f"{path} holds files that are no earlier run's results; choose another folder with --out."
                )
            ours = {name.split("/")[0] for name in listed(folder)}
            if RESULT in ours and RESULT not in names:
                raise CommandError(f"{path} holds a run's results, which this is none of: choose another with --out.")
            for name in names:
                if os.path.lexists(folder / name) and name not in ours:
                    raise CommandError(
                        f"{folder / name} is none of our files, but results need its name: move it away."
                    )
        return folder
    except (OSError, ValueError, RuntimeError) as error:  # a loop of links is a RuntimeError
        raise CommandError(f"{path} cannot take results: {error}. Choose another folder with --out.") from None


def replace(folder: Path, names: Collection[str], write: Callable[[Path], None]) -> None:
    """Put new files in the place of the old ones.

    Args:
        folder: as `checked` returned it.
        names: the new files, relative to the folder, with slashes.
        write: makes those files in the folder that it is given.

    Raises:
        CommandError: another file lies where a new one should be; the folder is as it was.
        OSError, or what `write` raises: the folder is as it was.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _bring_back(folder)
    for stale in (*_beside(folder, _INCOMING), *_beside(folder, _PREVIOUS)):
        with _locked(stale) as alone:
            if alone:
                _remove(stale, taken=())
    incoming = folder.parent / f".{folder.name}{_INCOMING}{secrets.token_hex(4)}"
    incoming.mkdir()
    with _locked(incoming):  # so that no other command takes it for stale
        taken: list[str] = []
        try:
            (incoming / LIST).write_text(json.dumps({"files": sorted(names)}, indent=1) + "\n", encoding="utf-8")
            write(incoming)
            if folder.exists():
                _take_along(folder, incoming, taken)
                shutil.copymode(folder, incoming)
                _exchange(folder, incoming)
            else:
                incoming.rename(folder)
        finally:
            _remove(incoming, taken)  # what was written in vain, or the old results


def put(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put files of this content in the place of the old ones. Raises as `replace` does."""

    def write(incoming: Path) -> None:
        for name, data in files.items():
            (incoming / name).write_bytes(data)

    replace(folder, files, write)


def listed(folder: Path) -> set[str]:
    """The names of our files in the folder, as its list has them; none where there is no list that can be read."""
    try:
        names = json.loads((folder / LIST).read_text(encoding="utf-8"))["files"]
        return {name for name in names if _inside(name)}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _inside(name: object) -> bool:
    """Whether a listed name stays in the folder."""
    return isinstance(name, str) and not {"", ".", ".."} & set(name.split("/")) and "\0" not in name


def _is_mounted(folder: Path) -> bool:
    """Whether something is mounted there, so that the folder keeps its name whatever is asked of the system."""
    if os.path.ismount(folder):
        return True
    try:  # a folder of the same disk, which `ismount` cannot tell
        mounts = Path("/proc/self/mountinfo").read_bytes()
    except OSError:  # no Linux
        return False
    places = (line.split()[4] for line in mounts.splitlines())
    return os.fsencode(folder) in (re.sub(rb"\\(\d{3})", lambda code: bytes([int(code[1], 8)]), at) for at in places)


def _take_along(folder: Path, incoming: Path, taken: list[str]) -> None:
    """Give every file of the folder that is not ours a second name in the incoming one; the names go into `taken`."""
    ours = listed(folder) | {LIST}
    for path in _entries(folder):
        name = path.relative_to(folder)
        if name.as_posix() in ours:
            continue
        target = incoming / name
        if os.path.lexists(target) or any((incoming / parent).is_file() for parent in name.parents):
            raise CommandError(f"{path} is none of our files, but a result needs its name: move it away.")
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            target.mkdir()
            continue
        try:
            os.link(path, target, follow_symlinks=False)
        except OSError:  # a file system without second names
            shutil.copy2(path, target, follow_symlinks=False)
        taken.append(name.as_posix())


def _entries(folder: Path) -> Iterator[Path]:
    """All files below the folder, and the folders that are empty. Links are not followed."""
    for entry in list(os.scandir(folder)):
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False) and any(os.scandir(path)):
            yield from _entries(path)
        else:
            yield path


def _remove(folder: Path, taken: Collection[str]) -> None:
    """Remove our files from a folder beside the results, and files that have a second name. Whatever else stays."""
    ours = listed(folder) | set(taken)
    with contextlib.suppress(OSError):  # what cannot be removed now is removed by the next command
        for path in _entries(folder):
            name = path.relative_to(folder).as_posix()
            if name != LIST and not path.is_dir() and (name in ours or path.lstat().st_nlink > 1):
                path.unlink()
        for root, _, _ in os.walk(folder, topdown=False):
            left = [entry.name for entry in os.scandir(root)]
            if Path(root) == folder and left == [LIST]:  # at last, as it says what may be removed
                (folder / LIST).unlink()
                left = []
            if not left:
                Path(root).rmdir()


def _exchange(folder: Path, incoming: Path) -> None:
    """Let two folders swap their names: in one step where the system can, else in three, with the old one kept."""
    if _exchange_at_once(os.fsencode(folder), os.fsencode(incoming)):
        return
    previous = folder.parent / f".{folder.name}{_PREVIOUS}{secrets.token_hex(4)}"
    folder.rename(previous)
    try:
        incoming.rename(folder)
    except OSError:
        previous.rename(folder)
        raise
    with contextlib.suppress(OSError):  # another command may have cleared it up
        previous.rename(incoming)


def _exchange_at_once(one: bytes, other: bytes) -> bool:
    """Ask Linux or macOS to exchange two names. False where it cannot."""
    system = ctypes.CDLL(None)
    exchange = 2  # RENAME_EXCHANGE and RENAME_SWAP alike
    if hasattr(system, "renameat2"):
        here = -100  # AT_FDCWD
        return bool(system.renameat2(here, one, here, other, exchange) == 0)
    if hasattr(system, "renamex_np"):
        return bool(system.renamex_np(one, other, exchange) == 0)
    return False


def _bring_back(folder: Path) -> None:
    """Undo an exchange in three steps that was cut off after the first."""
    previous = _beside(folder, _PREVIOUS)
    if previous and not folder.exists():
        previous[-1].rename(folder)


def _beside(folder: Path, kind: str) -> list[Path]:
    """The folders of one kind that this or another command has made beside the results."""
    return [path for path in folder.parent.glob(".*") if path.name.startswith(f".{folder.name}{kind}")]


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold the folder's lock; False where another command holds it, or the folder has gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
