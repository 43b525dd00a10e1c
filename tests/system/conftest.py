"""What only whole runs need: a large portfolio, and workers that fail."""

import io
import zipfile
from collections.abc import Callable, Iterator

import pytest

from cli.deployment import PROJECT, functions
from tests.deployed import Cloud


@pytest.fixture(scope="session")
def portfolio(cloud: Cloud) -> str:
    """60,000 generated loans: more than a chunk holds by default."""
    cloud.generate(name="sixty-thousand", loans=60_000)
    return "portfolios/sixty-thousand/"


@pytest.fixture
def broken_worker(cloud: Cloud) -> Iterator[Callable[[str], None]]:
    """Replace SimulateChunk's handler by Python source for one test. `real(event, context)` is the true handler
    there.
    """
    name = dict(functions(cloud.stack))["SimulateChunk"]
    client = cloud.stack.client("lambda")

    def deploy_code(handler: str, extra: dict[str, str]) -> None:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            for path in sorted((PROJECT / "functions").rglob("*")):
                if path.suffix in (".py", ".json"):
                    file.write(path, path.relative_to(PROJECT / "functions"))
            for path_in_zip, source in extra.items():
                file.writestr(path_in_zip, source)
        client.update_function_code(FunctionName=name, ZipFile=archive.getvalue())
        client.update_function_configuration(FunctionName=name, Handler=handler)

    def replace(source: str) -> None:
        deploy_code("broken.handler", {"broken.py": f"from simulate_chunk import handler as real\n{source}"})

    yield replace
    deploy_code("simulate_chunk.handler", {})
