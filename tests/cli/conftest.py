"""Commands over a run in the user's process. A module that asks for them brings `june`, what the run left."""

from types import SimpleNamespace
from typing import Any

import pytest

from cli.main import main
from cli.place import Place
from tests.memory_run import MemoryHost
from tests.memory_s3 import MemoryS3


@pytest.fixture
def host(june: dict[str, bytes]) -> MemoryHost:
    """A copy of the run's bucket."""
    return MemoryHost(MemoryS3(dict(june)))


@pytest.fixture
def command(host: MemoryHost, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Types a command: (status, output, errors)."""
    stack: Any = SimpleNamespace(bucket="bucket", client=lambda _: host.s3)
    monkeypatch.setattr(Place, "find", lambda _: stack)

    def run(*arguments: str) -> tuple[int, str, str]:
        return main(arguments), *capsys.readouterr()

    return run
