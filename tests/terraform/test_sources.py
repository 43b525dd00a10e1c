"""What is written under terraform/: its format, its tests, and what was promised of stacks and modules."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.terraform.clone import ROOT, STACK, WORKERS, Clone

STACKS = sorted(path.parent for path in ROOT.glob("terraform/*/main.tf"))
MODULES = sorted(path.parent for path in ROOT.glob("terraform/modules/*/main.tf"))

each_folder = pytest.mark.parametrize("folder", STACKS + MODULES, ids=lambda path: str(path.relative_to(ROOT)))


def sources(folder: Path) -> str:
    """All of a folder's Terraform, without comments."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.tf")))
    return re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)


def blocks(folder: Path, kind: str) -> dict[str, str]:
    """The bodies of a folder's top-level blocks of one kind, by name. Formatted sources end a block at the margin."""
    found = re.findall(rf'^{kind} "(\w+)" \{{\n(.*?)^\}}', sources(folder), flags=re.MULTILINE | re.DOTALL)
    return dict(found)


def test_the_sources_are_formatted(new_clone: Callable[[], Clone]) -> None:
    new_clone().succeed("fmt", "-check", "-diff", "-recursive", within="terraform")


@pytest.fixture(scope="module")
def nowhere(clone: Clone, provider: Callable[[Mapping[str, str]], dict[str, str]]) -> Clone:
    """A clone that reaches nothing, with a provider that does not either."""
    clone = clone.with_environment(
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "AWS_ENDPOINT_URL"), "http://127.0.0.1:9")
    )
    clone = clone.with_environment(**provider(clone.environment))
    for stack in WORKERS:
        clone.of(stack).succeed("init")
    return clone


each_stack = pytest.mark.parametrize("stack", [STACK, *WORKERS])


@each_stack
def test_the_stack_is_valid(nowhere: Clone, stack: str) -> None:
    assert "configuration is valid" in nowhere.of(stack).succeed("validate")


@each_stack
def test_terraform_test_passes_without_network_and_credentials(nowhere: Clone, stack: str) -> None:
    printed = nowhere.of(stack).succeed("test")
    assert re.search(r"Success! \d+ passed, 0 failed", printed)


@each_folder
def test_a_folder_says_what_it_is_and_what_it_needs(folder: Path) -> None:
    assert (folder / "README.md").is_file()
    versions = (folder / "versions.tf").read_text(encoding="utf-8")
    assert 'required_version = ">= 1.10"' in versions
    assert 'version = ">= 5.100, < 7.0"' in versions


@each_folder
def test_variables_are_typed_and_described_and_outputs_described(folder: Path) -> None:
    for name, body in blocks(folder, "variable").items():
        assert re.search(r"^  type +=", body, flags=re.MULTILINE), name
        assert re.search(r'^  description += ".+\.?"', body, flags=re.MULTILINE), name
    for name, body in blocks(folder, "output").items():
        assert re.search(r'^  description += ".+"', body, flags=re.MULTILINE), name


@each_folder
def test_no_region_and_no_partition_is_written_down(folder: Path) -> None:
    assert not re.search(r"\b(us|eu|ap|sa|ca|me|af|il|cn)-[a-z]+-\d\b", sources(folder))
    assert "arn:aws:" not in sources(folder)


@pytest.mark.parametrize("folder", MODULES, ids=lambda path: path.name)
def test_a_module_configures_no_provider(folder: Path) -> None:
    assert not blocks(folder, "provider")
    assert blocks(STACKS[0], "provider")


@pytest.mark.parametrize("stack", STACKS, ids=lambda path: path.name)
def test_a_stack_needs_the_aws_provider_alone(stack: Path) -> None:
    for folder in [stack, *MODULES]:
        needed = re.findall(r'^      source += "([^."]+)"', sources(folder), re.MULTILINE)
        assert needed == ["hashicorp/aws"], folder
