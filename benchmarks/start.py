"""How long a worker takes to start from the image that AWS publishes: it gets the code and the libraries, checks their
SHA-256, unpacks both and imports what it needs.

The libraries are NumPy and PyArrow of this environment, packed as a layer is, and come from this computer's disk: what
the network takes is not in it. `make image` prints how long an image of one's own takes.
"""

import argparse
import base64
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

PROJECT = Path(__file__).resolve().parent.parent
START = PROJECT / "publishing" / "worker_start.py"
TURNS = 3

STARTED = """
import montecarlo.host.worker, montecarlo.steps.simulate_chunk
from montecarlo.simulation.compiled import load
load(None)
"""
"""What stands for worker.py: the same imports, and no work."""

CLIENT = """
import json
ANSWERS = json.load(open({answers!r}))
class Client:
    def get_function(self, FunctionName):
        return {{"Code": ANSWERS["code"], "Configuration": ANSWERS["code"]}}
    def get_layer_version_by_arn(self, Arn):
        return {{"Content": ANSWERS["layer"]}}
def client(service, config):
    return Client()
"""
"""Lambda's answers, as boto3 brings them."""


def archive(path: Path, files: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    """Write a ZIP archive; returns what Lambda says of it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files:
            file.writestr(name, content)
    digest = hashlib.sha256(path.read_bytes()).digest()
    return {"Location": path.as_uri(), "CodeSha256": base64.b64encode(digest).decode()}


def below(folder: Path, prefix: str = "") -> Iterable[tuple[str, bytes]]:
    """Every file of a folder, but compiled ones, by its path."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield prefix + path.relative_to(folder).as_posix(), path.read_bytes()


def main() -> None:
    """Measure, print, and write the figures if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        code = {**dict(below(PROJECT / "functions")), "worker.py": STARTED.encode()}
        libraries = [Path(module.__file__ or "").parent for module in (np, pa)]
        parts = [*libraries, *(path.with_name(f"{path.name}.libs") for path in libraries)]
        packed = [each for part in parts if part.is_dir() for each in below(part, f"python/{part.name}/")]
        answers = {"code": archive(folder / "code.zip", code.items()), "layer": archive(folder / "layer.zip", packed)}
        (folder / "answers.json").write_text(json.dumps(answers))
        (folder / "boto3.py").write_text(CLIENT.format(answers=str(folder / "answers.json")))
        (folder / "botocore").mkdir()
        (folder / "botocore" / "config.py").write_text("def Config(retries): pass\n")
        seconds = [started(folder) for _ in range(TURNS)]
        sizes = {each: (folder / f"{each}.zip").stat().st_size / 1e6 for each in ("code", "layer")}
    print(f"code {sizes['code']:.1f} MB and libraries {sizes['layer']:.0f} MB, packed")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = (used.ru_utime + used.ru_stime) / TURNS
    print(f"at work after {min(seconds):.1f} s, the least of {TURNS} turns; {cpu:.1f} s of a core's time")
    if arguments.json:
        arguments.json.write_text(json.dumps({"seconds": seconds, "cpu": cpu, "mb": sizes}, indent=1) + "\n")


def started(folder: Path) -> float:
    """Seconds from the start of the container's command until the worker has imported what it needs."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        environment = {
            **os.environ,
            "PYTHONPATH": str(folder),
            "TMPDIR": scratch,
            "CODE_FUNCTION": "Plan",
            "LAYER_ARN": "x",
        }
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", START.read_text(encoding="utf-8")], env=environment, check=True)
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
