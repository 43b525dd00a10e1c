"""The user's own files: those that are read as JSON, and a portfolio's, which are uploaded."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cli import CommandError
from cli.deployment import Stack
from montecarlo.portfolio.files import format_of
from montecarlo.storage import keys

UPLOADED = "uploaded"


def json_file(path: Path | None, what: str) -> Any:
    """The content of a JSON file, None where there is no path. Raises CommandError that names `what` and the file."""
    if path is None:
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CommandError(f"the {what} file {path} cannot be read as JSON: {error}") from None


def portfolio_files(path: Path) -> list[Path]:
    """The portfolio's files: the one given, or all CSV and Parquet files of a folder. Raises CommandError."""
    if not path.exists():
        raise CommandError(f"there is no portfolio at {path}.")
    files = (
        sorted(item for item in path.rglob("*") if item.is_file() and format_of(item.name)) if path.is_dir() else [path]
    )
    if not files:
        raise CommandError(f"{path} holds no file that ends in .csv, .csv.gz or .parquet.")
    if not format_of(files[0].name):
        raise CommandError(f"{path}: the name must end in .csv, .csv.gz or .parquet.")
    return files


def upload(stack: Stack, files: Sequence[Path], run: str) -> str:
    """Put a portfolio's files into the stack's bucket; returns their prefix."""
    prefix = keys.portfolio(f"{UPLOADED}-{run}")
    s3 = stack.client("s3")
    for number, file in enumerate(tqdm(files, "Uploading", unit=" files", leave=False)):
        key = f"{prefix}{number:05d}-{file.name}" if len(files) > 1 else f"{prefix}{file.name}"
        s3.upload_file(str(file), stack.bucket, key)
    return prefix
