"""The folder that a run's results come to, and the way from the bucket."""

import contextlib
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cli import CommandError, files, folder, history
from cli.deployment import Stack
from cli.place import Place
from cli.screen import counted
from montecarlo.report.view import ResultView
from montecarlo.run.request import NAME
from montecarlo.storage import keys

FILES = (
    *("plan.json", "request.json", "estimate.json", "result.json", "failure.json", "failure.html"),
    *("report.html", "losses.parquet", "segments.parquet", "duplicates.parquet", "sums.npz"),
)
CONTRIBUTIONS = "contributions"
FOLDERS = ("loans", "rejects", CONTRIBUTIONS)
"""What a run leaves for its user, by name below runs/<run>/, but for what each loan contributes, see `_key`. Its
scenarios, its chunks' sums and its tables for Athena stay in the bucket.
"""

_NAME = re.compile(
    rf"(?:{'|'.join(map(re.escape, FILES))})|(?:{'|'.join(FOLDERS)})/[0-9A-Za-z][0-9A-Za-z_-]*\.parquet", re.ASCII
)
SHOWN_REASONS = 3
_AT_ONCE = 16
"""Files that are got at the same time."""


def checked(path: Path) -> tuple[Path, Path]:
    """The folders for a run's results and, beside it, for what a failed run leaves. Raises CommandError."""
    tops = (*FILES, *FOLDERS)
    out = folder.checked(path, tops)
    return out, folder.checked(out.with_name(f"{out.name}-failed"), tops)


def names(stack: Stack, run: str) -> list[str]:
    """What the run has left for its user. Keys of any other form are passed over, wherever they would lead."""
    prefix, of_pass = f"runs/{run}/", keys.loans(keys.wave(run, keys.TAIL))
    pages = stack.client("s3").get_paginator("list_objects_v2").paginate(Bucket=stack.bucket, Prefix=prefix)
    there = [item["Key"] for page in pages for item in page.get("Contents", [])]
    found = [name for key in there if _NAME.fullmatch(name := key.removeprefix(prefix))]
    found = [name for name in found if not name.startswith(f"{CONTRIBUTIONS}/")]
    tables = [f"{CONTRIBUTIONS}/{key.removeprefix(of_pass)}" for key in there if key.startswith(of_pass)]
    result = history.json_object(stack, keys.result(run)) if tables and "result.json" in found else None
    if CONTRIBUTIONS in (result or {}):  # and not of an earlier request
        found += [name for name in tables if _NAME.fullmatch(name)]
    return found


def _key(run: str, name: str) -> str:
    """Where a file of the folder lies in the bucket."""
    kind, _, table = name.partition("/")
    return keys.loans(keys.wave(run, keys.TAIL)) + table if kind == CONTRIBUTIONS else f"runs/{run}/{name}"


def download(stack: Stack, run: str, out: Path, without: Sequence[str] = ()) -> list[str]:
    """Put what the run has left into the folder, in the place of what is there; returns the names.

    `without`: folders that are not wanted. Raises CommandError where it cannot be written; the folder is then as it
    was.
    """
    s3 = stack.client("s3")
    wanted = [name for name in names(stack, run) if name.split("/")[0] not in without]

    def write(incoming: Path) -> None:
        for name in FOLDERS:
            if any(each.startswith(f"{name}/") for each in wanted):
                (incoming / name).mkdir()

        def get(name: str) -> None:
            body = s3.get_object(Bucket=stack.bucket, Key=_key(run, name))["Body"]
            with (incoming / name).open("xb") as file:
                shutil.copyfileobj(body, file, 1 << 20)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(get, wanted):
                pass

    try:
        folder.replace(out, wanted, write)
    except OSError as error:
        raise CommandError(
            f"the results of the run {run} cannot be written to {out}: {error}. What was there is unchanged."
        ) from None
    return wanted


@contextlib.contextmanager
def found(text: str, place: Place) -> Iterator[Path]:
    """A folder of results: one of the user's, or, for as long as it is needed, what a run on the stack has left.

    Raises CommandError where there is neither.
    """
    if (Path(text) / "result.json").is_file():
        yield Path(text)
        return
    if Path(text).exists():
        raise CommandError(f"{text} holds no results: it has no result.json.")
    if not NAME.fullmatch(text):
        raise CommandError(f"there is no folder {text}, and no run can be called so.")
    with tempfile.TemporaryDirectory(prefix="montecarlo-") as scratch:
        names = download(place.find(), text, Path(scratch) / text)
        if "result.json" not in names:
            raise CommandError(f"there is no folder {text}, and no run {text} with results on {place}.")
        yield Path(scratch) / text


def rejected(folder: Path) -> Iterator[str]:
    """Why rows were rejected, the commonest reasons first, each with a value and where it stands."""
    parts = sorted((folder / "rejects").glob("*.parquet"))
    if not parts:
        return
    rows = pa.concat_tables(map(pq.read_table, parts)).to_pylist()
    reasons = Counter(row["reason"] for row in rows)
    for reason, number in reasons.most_common(SHOWN_REASONS):
        first = next(row for row in rows if row["reason"] == reason)
        place = f"{files.name_of(first['file'])}, row {first['row']:,}"
        yield f"{counted(number, 'row')}: {reason}, such as {first['value']!r} in {place}."


def read(out: Path) -> ResultView:
    """The folder's result.json. Raises InvalidResult where it is damaged."""
    return ResultView.read((out / "result.json").read_bytes())
