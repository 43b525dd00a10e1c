"""The host that the environment describes, and the handlers on it."""

from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber

from montecarlo.cost.estimate import Speed
from montecarlo.errors import InvalidInput
from montecarlo.host import aws_lambda
from montecarlo.host.environment import Environment
from montecarlo.run.request import RunRequest, run_request
from montecarlo.simulation.kernel import KERNELS
from montecarlo.steps.protocol import Host
from tests.infrastructure.templates import resources, template

STEPS = Path(__file__).parents[2] / "functions" / "montecarlo" / "steps"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("DATA_BUCKET", "data")
    monkeypatch.setenv("PORTFOLIO_BUCKET", "theirs")
    return Environment()


def test_a_place_is_a_key_of_the_data_bucket_or_an_url(environment: Host) -> None:
    for place, bucket, key in (
        ("portfolios/a/", "data", "portfolios/a/"),
        ("s3://data/portfolios/a/", "data", "portfolios/a/"),
        ("s3://theirs/a/b.csv", "theirs", "a/b.csv"),
    ):
        store, found = environment.find_store(place)
        assert (store.bucket, found) == (bucket, key)
    with pytest.raises(InvalidInput, match="set its parameter PortfolioBucketName to others"):
        environment.find_store("s3://others/a.csv")


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-west-1", "console.aws.amazon.com"),
        ("cn-north-1", "console.amazonaws.cn"),
        ("us-gov-west-1", "console.amazonaws-us-gov.com"),
    ],
)
def test_an_object_has_an_address_in_the_console_of_its_partition(
    environment: Host, monkeypatch: pytest.MonkeyPatch, region: str, host: str
) -> None:
    monkeypatch.setenv("AWS_REGION", region)
    assert environment.console("runs/a b/report.html") == (
        f"https://{host}/s3/object/data?region={region}&prefix=runs%2Fa+b%2Freport.html"
    )


def test_defaults_come_typed(environment: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEFAULT_SCENARIOS", "500")
    monkeypatch.setenv("DEFAULT_FED_RATE", "6.5")
    monkeypatch.setenv("DEFAULT_SEED", "")
    defaults = environment.defaults(RunRequest)
    assert (defaults["scenarios"], defaults["fed_rate"], defaults["seed"]) == (500, 6.5, None)
    request = run_request({"run": "a", "fed_rate": 5}, defaults)
    assert (request.scenarios, request.fed_rate, request.seed) == (500, 5.0, RunRequest.seed)


def test_every_function_of_the_templates_is_the_step_of_its_name() -> None:
    handlers = {
        body["Properties"]["Handler"]
        for name in ("datagen", "dataproc", "dataproc-fargate", "dataproc-ec2")
        for body in resources(f"cloudformation/{name}.yaml", "AWS::Serverless::Function").values()
    }
    steps = {file.stem for file in STEPS.glob("*.py")} - {"__init__", "protocol"}
    assert handlers == {f"{step}.handler" for step in steps}


def test_a_handler_logs_what_it_did_and_never_the_data(caplog: pytest.LogCaptureFixture) -> None:
    handler = aws_lambda.handler_of(lambda event, host: {"loans": 3})
    assert handler({"run": "june", "slices": [{"key": "secret.csv"}]}, None) == {"loans": 3}
    (record,) = caplog.records
    assert (record.message, vars(record)["event_run"]) == ("done", "june")
    assert "secret" not in str(vars(record))


def test_debug_adds_what_a_call_returned(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", aws_lambda.logger.name)
    handler = aws_lambda.handler_of(lambda event, host: {"loans": 3})
    handler({"run": "june"}, None)
    done, returned = caplog.records
    assert (returned.levelname, vars(returned)["returned"], vars(done).get("returned")) == ("DEBUG", {"loans": 3}, None)


@pytest.mark.parametrize(("limit", "asked", "granted"), [(10, 500, 9), (1, 500, 1), (1000, 500, 500), (1000, 950, 900)])
def test_a_run_takes_no_more_functions_than_the_account_has(
    environment: Host, monkeypatch: pytest.MonkeyPatch, limit: int, asked: int, granted: int
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "Plan")
    lambda_ = boto3.client("lambda", aws_access_key_id="a", aws_secret_access_key="b")
    monkeypatch.setattr(boto3, "client", lambda *arguments, **options: lambda_)
    with Stubber(lambda_) as stubber:
        stubber.add_response("get_account_settings", {"AccountLimit": {"UnreservedConcurrentExecutions": limit}}, {})
        setup = environment.setup(RunRequest("june", max_concurrency=asked))
    assert setup.max_concurrency == granted
    assert setup.pace([100] * min(40, granted)).chunks <= granted


def test_a_run_takes_what_it_asks_for_where_lambda_does_not_say(
    environment: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert environment.setup(RunRequest("june", max_concurrency=700)).max_concurrency == 700
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "Plan")
    lambda_ = boto3.client("lambda", aws_access_key_id="a", aws_secret_access_key="b")
    monkeypatch.setattr(boto3, "client", lambda *arguments, **options: lambda_)
    with Stubber(lambda_) as stubber:
        stubber.add_client_error("get_account_settings", "AccessDeniedException")
        assert environment.setup(RunRequest("june", max_concurrency=700)).max_concurrency == 700


@pytest.mark.parametrize(
    ("named", "kernel"), [(None, "compiled"), ("", "compiled"), ("compiled", "compiled"), ("numpy", "numpy")]
)
def test_the_stack_says_what_simulates(
    environment: Host, monkeypatch: pytest.MonkeyPatch, named: str | None, kernel: str
) -> None:
    if named is None:
        monkeypatch.delenv("MONTECARLO_KERNEL", raising=False)
    else:
        monkeypatch.setenv("MONTECARLO_KERNEL", named)
    assert environment.kernel == kernel
    assert environment.setup(RunRequest("june")).kernel == kernel, "the estimate counts with another"


def test_a_kernel_that_there_is_not_is_refused(environment: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONTECARLO_KERNEL", "fortran")
    with pytest.raises(InvalidInput, match="no kernel 'fortran': set MONTECARLO_KERNEL to compiled or numpy"):
        _ = environment.kernel


def test_the_stacks_offer_the_kernels_that_there_are_and_the_estimate_knows_them() -> None:
    parameter = template("template.yaml")["Parameters"]["Kernel"]
    assert (tuple(parameter["AllowedValues"]), parameter["Default"]) == (KERNELS, "compiled")
    assert set(Speed().kernel_ns) == set(KERNELS)


@pytest.mark.parametrize(
    ("named", "cache"), [("/somewhere", "/somewhere"), ("", "/home/me/.cache"), ("relative", "/home/me/.cache")]
)
def test_the_cache_is_the_users(environment: Host, monkeypatch: pytest.MonkeyPatch, named: str, cache: str) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_CACHE_HOME", named)
    assert environment.cache == Path(cache)


def test_a_user_without_a_home_has_no_cache(environment: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("could not determine home directory")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert environment.cache is None


def test_workers_bound_what_a_run_simulates_at_once(environment: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"COMPUTE": "fargate", "MAX_WORKERS": "25", "WORKER_CORES": "4", "WORKER_MEMORY": "8192", "ON_DEMAND": "3"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    setup = environment.setup(RunRequest("june", max_concurrency=500))
    assert (setup.max_concurrency, setup.workers, setup.worker_cores, setup.spot) == (100, 25, 4, 0.25)
    assert environment.setup(RunRequest("june", max_concurrency=70)).max_concurrency == 70
    assert environment.setup(RunRequest("june")).compute == "fargate"
    monkeypatch.setenv("COMPUTE", "ec2")
    assert environment.setup(RunRequest("june")).compute == "ec2"
