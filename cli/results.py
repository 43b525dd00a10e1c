"""The folder that a run's results come to."""

import shutil
from pathlib import Path

from cli import CommandError
from cli.deployment import Stack
from montecarlo.report.view import ResultView


def folder(path: Path) -> Path:
    """An empty folder for the results. What an earlier run left there is replaced; anything else is left alone."""
    if path.is_dir() and any(path.iterdir()):
        if not any((path / name).exists() for name in ("plan.json", "failure.json")):
            raise CommandError(
                f"{path} holds files that are no earlier run's results; choose another folder with --out."
            )
        shutil.rmtree(path)
    path.mkdir(parents=True, exist_ok=True)
    return path


def download(stack: Stack, prefix: str, out: Path) -> None:
    """Everything of the run but the chunks' partial sums."""
    s3 = stack.client("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=stack.bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            name = item["Key"].removeprefix(prefix)
            if not name.startswith("groups/") and name != "scenarios.npz":
                target = out / name
                target.parent.mkdir(parents=True, exist_ok=True)
                s3.download_file(stack.bucket, item["Key"], str(target))


def read(out: Path) -> ResultView:
    """The folder's result.json. Raises InvalidResult where it is damaged."""
    return ResultView.read((out / "result.json").read_bytes())
