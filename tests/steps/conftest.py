"""A portfolio of 300 loans and a run over it, step by step in memory; each test works on a copy of what they left."""

from typing import Any

import pytest

from tests.memory_run import MemoryHost, dataproc, generate
from tests.memory_s3 import MemoryS3

REQUEST: dict[str, Any] = {
    "run": "june",
    "portfolio": "portfolios/loans/",
    "scenarios": 40,
    "chunk_loans": 100,
    "as_of": "2026-01-01",
}
"""Three chunks in one group."""


@pytest.fixture(scope="session")
def _portfolio() -> dict[str, bytes]:
    host = MemoryHost()
    generate(host, name="loans", loans=300, part_loans=150)
    return host.s3.objects


@pytest.fixture(scope="session")
def _finished(_portfolio: dict[str, bytes]) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    host = MemoryHost(MemoryS3(dict(_portfolio)))
    outputs: list[dict[str, Any]] = []

    def call(module: Any, event: dict[str, Any]) -> dict[str, Any]:
        outputs.append(module.step(event, host))
        return outputs[-1]

    dataproc(host, call, **REQUEST)
    return host.s3.objects, outputs


@pytest.fixture
def portfolio(_portfolio: dict[str, bytes]) -> MemoryHost:
    """A host with the portfolio and nothing else."""
    return MemoryHost(MemoryS3(dict(_portfolio)))


@pytest.fixture
def finished(_finished: tuple[dict[str, bytes], list[dict[str, Any]]]) -> MemoryHost:
    """A host with the portfolio and the run `june`."""
    return MemoryHost(MemoryS3(dict(_finished[0])))


@pytest.fixture
def outputs(_finished: tuple[dict[str, bytes], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """What the steps of the run returned, one after the other."""
    return _finished[1]
