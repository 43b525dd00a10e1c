"""Writes docs/licences.md: every package that the environments of `make` hold, and its licence.

`python -m tests.docs.licences`, after `make licences` has installed them all. Names come from requirements/, licences
from what the packages say of themselves.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs/licences.md"

USES: Mapping[str, tuple[str, str]] = {
    "local": (".venv", "the functions, and the laptop"),
    "notebook": (".venv", "`make notebook`"),
    "test": (".venv", "tests and benchmarks"),
    "setup": (".venv", "setting up"),
    "sam": (".venv-sam", "the SAM CLI"),
    "checkov": (".venv-checkov", "checkov"),
    "audit": (".venv-audit", "`make audit`"),
    "lambda": (".venv-lambda", "tests with Lambda's libraries"),
    "worker": (".venv-lambda", "the worker's image"),
    "zig": (".venv-zig", "`make kernel`"),
}
"""By file of requirements/: the environment that it is installed in, and what for. A package is listed where it first
occurs.
"""

HEAD = """# Licences

The packages that the environments of `make` hold, by what they are for, each with the licence that it states. None is
part of this repository or of what is deployed: in Lambda the functions find numpy, pyarrow, boto3 and
aws-lambda-powertools in layers that AWS publishes and in the runtime, and workers start with the same. An image of the
worker, for those who build one, holds what `requirements/worker.txt` names. Written by `make licences`.
"""


def required(file: str) -> list[str]:
    """The packages of a file in requirements/, normalised and sorted."""
    text = (ROOT / f"requirements/{file}.txt").read_text(encoding="utf-8")
    return sorted({normalised(name) for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)})


def normalised(name: str) -> str:
    """A package's name as the index compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def node_packages() -> dict[str, str]:
    """The packages of asl-validator and axe-core, each with its licence."""
    lock = json.loads((ROOT / "requirements/package-lock.json").read_text(encoding="utf-8"))
    return {
        path.removeprefix("node_modules/"): package.get("license", "not stated")
        for path, package in sorted(lock["packages"].items())
        if path
    }


def licence(package: Distribution) -> str:
    """The licence that a package states: as an expression, in its classifiers or in words, first line."""
    metadata = package.metadata
    classifiers = [text.split(" :: ")[-1] for text in metadata.get_all("Classifier") or [] if "License ::" in text]
    for field in ("License-Expression", "License"):
        if field == "License" and classifiers:
            return ", ".join(classifiers)
        if stated := (metadata.get_all(field) or [""])[0].strip():
            return str(stated).split("\n")[0].replace("|", "\\|")
    return f"in its file {', '.join(metadata.get_all('License-File') or ['(none)'])}"


def installed(environment: str) -> dict[str, str]:
    """The licence of each package in an environment. Raises SystemExit where it was not made."""
    places = [str(path) for path in (ROOT / environment).glob("lib/python*/site-packages")]
    if not places:
        raise SystemExit(f"There is no {environment}: run `make licences`.")
    return {normalised(package.name): licence(package) for package in distributions(path=places)}


def document() -> Iterator[str]:
    """The document, line by line."""
    yield HEAD
    listed: set[str] = set()
    for file, (environment, use) in USES.items():
        stated = installed(environment)
        new = [name for name in required(file) if name not in listed]
        if new:
            yield f"## {use[0].upper()}{use[1:]}\n\n| package | licence |\n|---|---|"
            yield from (f"| {name} | {stated.get(name, 'only for other systems')} |" for name in new)
            yield ""
        listed.update(new)
    yield "## Asl-validator and axe-core, on Node\n\n| package | licence |\n|---|---|"
    yield from (f"| {name} | {stated} |" for name, stated in node_packages().items())


def main() -> int:
    """Write the document."""
    DOCUMENT.write_text("\n".join(document()) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
