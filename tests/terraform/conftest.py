"""Terraform and its AWS provider.

TERRAFORM names the program (default: the one on PATH); TF_PROVIDER_MIRROR, where the registry cannot be reached, a
folder that holds registry.terraform.io/hashicorp/aws. Without them the tests are skipped.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from embedded_aws import server
from tests.terraform.clone import STACK, Clone

MIRRORED = """
provider_installation {
  filesystem_mirror {
    path = "%s"
  }
}
"""


@pytest.fixture(scope="session")
def terraform() -> str:
    """The path of Terraform."""
    path = shutil.which(os.environ.get("TERRAFORM", "terraform"))
    if path is None:
        pytest.skip("terraform is not installed: put it on PATH or its path into TERRAFORM")
    return path


@pytest.fixture(scope="session")
def new_clone(terraform: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Clone]:
    """Makes a fresh clone, in which nothing has been initialised."""
    environment = {}
    if not Path(os.environ.get("TF_CLI_CONFIG_FILE", "/")).exists():
        environment["TF_CLI_CONFIG_FILE"] = (
            ""  # the user's, if there is one; a missing one is a warning in every output
        )
    mirror = os.environ.get("TF_PROVIDER_MIRROR")
    if mirror:
        configuration = tmp_path_factory.mktemp("terraform") / "terraform.rc"
        configuration.write_text(MIRRORED % Path(mirror).resolve().as_posix())
        environment["TF_CLI_CONFIG_FILE"] = str(configuration)
    return lambda: Clone.make(tmp_path_factory.mktemp("clone"), terraform, environment)


@pytest.fixture(scope="session")
def initialised(new_clone: Callable[[], Clone]) -> Callable[[], Clone]:
    """Makes a fresh clone in which `terraform init` has been run."""

    def make() -> Clone:
        clone = new_clone()
        done = clone.run("init")
        if done.returncode and not os.environ.get("TF_PROVIDER_MIRROR"):
            pytest.skip(
                "the AWS provider is not to be had from the registry: name a folder that holds it in TF_PROVIDER_MIRROR"
            )
        assert done.returncode == 0, done.stdout
        return clone

    return make


@pytest.fixture(scope="session")
def provider(clone: Clone) -> Iterator[Callable[[Mapping[str, str]], dict[str, str]]]:
    """Starts the AWS provider once for many commands, each of which would start it for itself: three seconds of a CPU.
    Returns the variables by which Terraform finds it there.

    It keeps the environment it is started with and the settings of one stack, so that each stack needs one of its own.
    """
    (program,) = clone.folder.glob(f"{STACK}/.terraform/providers/*/hashicorp/aws/*/*/terraform-provider-aws*")
    started: list[subprocess.Popen[str]] = []

    def start(environment: Mapping[str, str]) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
        running = subprocess.Popen(
            [program, "-debug"],
            env=inherited | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        started.append(running)
        assert running.stdout is not None
        for line in running.stdout:
            if found := re.search("TF_REATTACH_PROVIDERS='(.*)'", line):
                return {"TF_REATTACH_PROVIDERS": found[1]}
        raise AssertionError("the provider has ended")

    yield start
    for running in started:
        running.terminate()
        running.communicate(timeout=20)


@pytest.fixture(scope="session")
def clone(initialised: Callable[[], Clone]) -> Clone:
    """A clone that the tests share and that none changes."""
    return initialised()


@pytest.fixture(scope="session")
def variables(new_clone: Callable[[], Clone]) -> Clone:
    """A clone whose stack is nothing but its variables: they can be tried without a provider, in no time."""
    clone = new_clone()
    stack = clone.folder / STACK
    for path in stack.glob("*.tf"):
        if path.name != "variables.tf":
            path.unlink()
    shutil.rmtree(stack / "tests")
    clone.succeed("init")
    return clone


@pytest.fixture(scope="session")
def aws(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.Server]:
    """An embedded AWS of these tests' own; none is started where Terraform cannot be had."""
    pytest.importorskip("ministack", reason="the embedded AWS (ministack) is not installed in this environment")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MONTECARLO_WORKERS", "1")  # many functions that each do little: their starts are what takes time
        running = server.start(tmp_path_factory.mktemp("embedded-aws"))
    yield running
    running.stop()
