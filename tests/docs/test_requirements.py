"""What is installed is what was tested: the files in requirements/ are whole, and name no package index."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.docs.licences import USES, node_packages, normalised, required

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "requirements").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def pins(file: Path) -> dict[str, list[Requirement]]:
    """The pins of each package."""
    found: dict[str, list[Requirement]] = {}
    for line in re.findall(r"^([\w.-]+==[^\\\n]+)", file.read_text(encoding="utf-8"), re.MULTILINE):
        pin = Requirement(line.strip())
        found.setdefault(normalised(pin.name), []).append(pin)
    return found


def test_each_file_has_its_environment() -> None:
    assert {file.stem for file in FILES} == set(USES)


@pytest.mark.parametrize("file", [pytest.param(file, id=file.name) for file in FILES])
def test_each_package_has_a_version_and_hashes(file: Path) -> None:
    text = re.sub(r"^ *#.*\n", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for entry in text.replace("\\\n", " ").splitlines():
        assert re.fullmatch(r"[\w.-]+==[^ ]+( ;[^#]*?)?( +--hash=sha256:[0-9a-f]{64})+ *", entry), entry[:100]


@pytest.mark.parametrize("file", [pytest.param(file, id=file.name) for file in FILES])
def test_a_package_has_one_version_for_every_python(file: Path) -> None:
    assert [name for name, pinned in pins(file).items() if len(pinned) > 1] == []


def test_no_file_names_an_index() -> None:
    for file in FILES:
        assert not re.search(r"https?:|index-url|find-links", file.read_text(encoding="utf-8")), file.name
    lock = json.loads((ROOT / "requirements/package-lock.json").read_text(encoding="utf-8"))
    packages = [package for path, package in lock["packages"].items() if path]
    assert packages
    assert all(package["integrity"].startswith("sha512-") and "resolved" not in package for package in packages)


@pytest.mark.parametrize(
    ("file", "sources"),
    [
        ("local", [*PROJECT["dependencies"], *EXTRAS["local"]]),
        ("test", [*PROJECT["dependencies"], *EXTRAS["local"], *EXTRAS["notebook"], *EXTRAS["test"], *EXTRAS["bench"]]),
        *((path.stem, path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / "requirements").glob("*.in")),
    ],
)
def test_what_is_asked_for_is_locked(file: str, sources: list[str]) -> None:
    """A change of pyproject.toml or of a .in file without `make lock` is seen."""
    locked = pins(ROOT / f"requirements/{file}.txt")
    for source in sources:
        if not source.startswith("#"):
            wanted = Requirement(source)
            there = locked.get(normalised(wanted.name), [])
            assert there, f"{wanted.name} is missing: make lock"
            for pin in there:
                version = str(pin.specifier).removeprefix("==")
                assert wanted.specifier.contains(version), f"{source}, but {pin}: make lock"


def test_tests_run_with_the_versions_of_the_laptop() -> None:
    """`make test` adds to what `make run` has installed, and changes none of it."""
    local, test = (pins(ROOT / f"requirements/{name}.txt") for name in ("local", "test"))
    assert {name: {str(pin.specifier) for pin in pinned} for name, pinned in local.items()}.items() <= {
        name: {str(pin.specifier) for pin in pinned} for name, pinned in test.items()
    }.items()


def test_every_package_has_its_licence_listed() -> None:
    text = (ROOT / "docs/licences.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| ([\w@/.-]+) \|", text, re.MULTILINE))
    missing = {name for file in FILES for name in required(file.stem)} | set(node_packages())
    assert not missing - listed, "run: make licences"
    assert listed - missing == {"package"}, "run: make licences"
