"""Every error of S3, at every call of every step, ends in an error of ours that says where and what to do."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import (
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)

from montecarlo import errors
from montecarlo.errors import InvalidInput, InvalidPortfolio, MonteCarloError, SlowDown
from montecarlo.steps import record_failure
from tests.faults.conftest import host_of, run_to_end
from tests.faults.faulty_s3 import answer
from tests.memory_run import generate

IN_PASSING = [
    answer(code, status)
    for code, status in (
        *(("SlowDown", 503), ("InternalError", 500), ("ServiceUnavailable", 503), ("RequestTimeout", 400)),
        *(("500", 500), ("502", 502), ("503", 503), ("504", 504), ("429", 429), ("BadGateway", 502), ("New", 503)),
        *(("Throttling", 400), ("ThrottlingException", 400), ("RequestLimitExceeded", 503), ("TooManyRequests", 429)),
        *(("RequestTimeTooSkewed", 403), ("ExpiredToken", 400), ("TokenRefreshRequired", 400)),
        *(("OperationAborted", 409), ("ConditionalRequestConflict", 409), ("KMS.ThrottlingException", 400)),
    )
]
FOR_GOOD = [
    answer(code, status)
    for code, status in (
        *(("AccessDenied", 403), ("403", 403), ("AllAccessDisabled", 403), ("NoSuchBucket", 404), ("301", 301)),
        *(("PermanentRedirect", 301), ("KMS.AccessDeniedException", 400), ("KMS.DisabledException", 400)),
        *(("KMS.NotFoundException", 400), ("InvalidAccessKeyId", 403), ("SignatureDoesNotMatch", 403)),
        *(("InvalidArgument", 400), ("400", 400), ("MethodNotAllowed", 405), ("EntityTooLarge", 400), ("", 418)),
    )
]
OF_AN_OBJECT = [
    answer(code, status)
    for code, status in (
        *(("NoSuchKey", 404), ("404", 404), ("PreconditionFailed", 412), ("412", 412), ("InvalidRange", 416)),
        *(("416", 416), ("InvalidObjectState", 403)),
    )
]
NO_ANSWER: list[Exception] = [
    EndpointConnectionError(endpoint_url="https://s3"),
    ReadTimeoutError(endpoint_url="https://s3"),
    IncompleteReadError(actual_bytes=1, expected_bytes=2),
    ConnectionResetError("reset by peer"),
    NoCredentialsError(),
    ParamValidationError(report="Key too long"),
]
OPERATE = Path(__file__).parents[2] / "docs" / "operate.md"
DOCUMENTED = set(re.findall(r"^\| `(\w+)`", OPERATE.read_text(encoding="utf-8"), re.MULTILINE))


@dataclass(frozen=True)
class Called:
    """A step that was called, with what the bucket held then."""

    module: Any
    event: dict[str, Any]
    objects: dict[str, bytes]

    @property
    def name(self) -> str:
        return str(self.module.__name__.rpartition(".")[2])


@pytest.fixture(scope="module")
def called(portfolio: dict[str, bytes]) -> list[Called]:
    """Every step, of a first run, of a run that is resumed, of a second wave, and of datagen."""
    steps: list[Called] = []
    host, s3 = host_of(portfolio)

    def call(module: Any, event: dict[str, Any]) -> dict[str, Any]:
        steps.append(Called(module, event, dict(s3.objects)))
        return host.call(module, event)

    run_to_end(host, call)
    run_to_end(host, call, target_error=0.0001, max_scenarios=16)
    for changes in ({}, {"replace": True, "loans": 4}):
        request: dict[str, Any] = {"name": "p", "loans": 6, "part_loans": 3, **changes}
        generate(host, call, **request)
    failed = b'[{"Status": "FAILED", "Error": "KeyError", "Cause": "{}"}]'
    s3.objects["runs/june/groups/00000/map/id/FAILED_0.json"] = failed
    failure = {"Error": "States.ExceedToleratedFailureThreshold", "Cause": ""}
    call(record_failure, {"request": {"run": "june"}, "execution": "e", "failure": failure})
    return steps


@dataclass(frozen=True)
class Site:
    """A call to S3 that a step makes, by its number among the step's."""

    step: Called
    number: int
    operation: str
    key: str

    @property
    def absent(self) -> bool:
        """Whether the step looks for an object that is not there."""
        return self.operation in ("get", "head") and self.key not in self.step.objects


@pytest.fixture(scope="module")
def sites(called: list[Called]) -> list[Site]:
    """One of each kind of call that any step makes."""
    kinds: dict[str, Site] = {}
    for step in called:
        host, s3 = host_of(step.objects)
        host.call(step.module, step.event)
        for number, (operation, key) in enumerate(s3.calls):
            kind = re.sub(r"\d+", "#", f"{step.name} {operation} {key}")
            kinds.setdefault(kind, Site(step, number, operation, key))
    return list(kinds.values())


def outcome(site: Site, error: Exception) -> MonteCarloError | None:
    """The error that the step ends in, if any; whatever is no error of ours is let through."""
    step = site.step
    host, s3 = host_of(step.objects)
    s3.fail_at(site.number, error, for_good=error in FOR_GOOD)
    ours = None
    try:
        host.call(step.module, step.event)
    except MonteCarloError as caught:
        ours = caught
    if ours:
        assert type(ours).__name__ in DOCUMENTED, f"{step.name}: {ours!r} is not explained in docs/operate.md"
        assert "told by S3" not in str(ours), "no text of S3 is passed on"
        assert re.search(r"s3://bucket/\S|datagen", str(ours)), ours
        assert re.search(r"[Ss]tart|[Cc]heck|[Rr]estore|[Cc]hoose|[Dd]elete", str(ours)), f"what to do? {ours}"
    return ours


def test_all_steps_and_their_calls_are_here(called: list[Called], sites: list[Site]) -> None:
    assert {step.name for step in called} == {
        *("plan", "plan_group", "simulate_chunk", "reduce_group", "aggregate", "record_failure"),
        *("plan_parts", "generate_part", "write_manifest"),
    }
    assert len(sites) > 70


@pytest.mark.parametrize("error", IN_PASSING, ids=lambda error: error.response["Error"]["Code"])
def test_what_is_in_passing_is_retried(sites: list[Site], error: Exception) -> None:
    for site in sites:
        assert isinstance(outcome(site, error), SlowDown), site


@pytest.mark.parametrize("error", FOR_GOOD, ids=lambda error: error.response["Error"]["Code"])
def test_what_is_refused_is_not_retried(sites: list[Site], error: Exception) -> None:
    for site in sites:  # S3 may answer 403 where there is no object: that is no refusal
        assert site.absent or isinstance(outcome(site, error), InvalidInput), site


@pytest.mark.parametrize("error", OF_AN_OBJECT, ids=lambda error: error.response["Error"]["Code"])
def test_an_object_that_is_gone_or_another_is_named_or_made_anew(sites: list[Site], error: Exception) -> None:
    for site in sites:
        assert not isinstance(outcome(site, error), SlowDown), site


@pytest.mark.parametrize("error", NO_ANSWER, ids=lambda error: type(error).__name__)
def test_no_answer_is_an_error_of_ours(sites: list[Site], error: Exception) -> None:
    curable = not isinstance(error, NoCredentialsError | ParamValidationError)
    for site in sites:
        assert isinstance(outcome(site, error), SlowDown if curable else InvalidInput), site


def test_a_portfolio_that_changes_under_a_run_is_told(portfolio: dict[str, bytes]) -> None:
    def call(module: Any, event: dict[str, Any]) -> dict[str, Any]:
        output: dict[str, Any] = module.step(event, host)
        if module.__name__.endswith("steps.plan"):
            s3.objects["portfolios/loans/b.csv"] += b"F,0.1,1\n"
        return output

    host, s3 = host_of(portfolio)
    with pytest.raises(InvalidPortfolio, match=r"b\.csv was written again since the run was planned"):
        run_to_end(host, call)


def test_every_class_of_error_is_explained() -> None:
    ours = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
    assert ours - {"MonteCarloError"} <= DOCUMENTED
