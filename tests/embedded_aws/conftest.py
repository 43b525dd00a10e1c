"""One embedded AWS for the session, with the small application deployed on it through the CloudFormation API."""

from collections.abc import Iterator

import pytest

from embedded_aws import server
from tests.embedded_aws.application import Application, Aws, deploy, upload


@pytest.fixture(scope="session", autouse=True)
def ministack() -> None:
    pytest.importorskip("ministack", reason="the embedded AWS (ministack) is not installed in this environment")


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    running = server.start(tmp_path_factory.mktemp("embedded-aws"))
    yield Aws(running)
    running.stop()


@pytest.fixture(scope="session")
def application(aws: Aws) -> Application:
    upload(aws)
    return Application(aws, deploy(aws))
