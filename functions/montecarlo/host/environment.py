"""The host of a step as the environment describes it. The only module that reads environment variables."""

import os
import platform
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from montecarlo.cost.estimate import Setup
from montecarlo.errors import InvalidInput
from montecarlo.host.fleet import EcsFleet
from montecarlo.run.plan import Plan, read_scenarios
from montecarlo.run.request import RunRequest
from montecarlo.run.scenario_file import ScenarioFile
from montecarlo.simulation.kernel import KERNELS, Kernel
from montecarlo.steps.protocol import Fleet
from montecarlo.storage.account import concurrent_functions
from montecarlo.storage.store import Store

CONSOLES = {"cn-": "console.amazonaws.cn", "us-gov-": "console.amazonaws-us-gov.com"}
"""Hosts of the console by what the names of their Regions begin with, but for the usual one."""


@dataclass(frozen=True)
class WorkerSetup:
    """How a worker works. processes: chunks that it simulates at once. most_workers: that there are at once.
    heartbeat_seconds: how long Step Functions waits for one, as the state machine says.
    """

    activity: str
    processes: int
    most_workers: int
    heartbeat_seconds: float = 60.0


class Environment:
    """A `steps.protocol.Host`: its bucket is DATA_BUCKET, and it may read portfolios from PORTFOLIO_BUCKET, too."""

    def __init__(self) -> None:
        self._scenarios: dict[str, ScenarioFile] = {}

    @cached_property
    def store(self) -> Store:
        """The bucket DATA_BUCKET."""
        return Store(os.environ["DATA_BUCKET"])

    def find_store(self, place: str) -> tuple[Store, str]:
        """See `Host`."""
        if not place.startswith("s3://"):
            return self.store, place
        bucket, _, key = place.removeprefix("s3://").partition("/")
        if bucket == self.store.bucket:
            return self.store, key
        if bucket != os.environ.get("PORTFOLIO_BUCKET", ""):
            raise InvalidInput(
                f"{place} lies in bucket {bucket}, which this stack may not read: set its parameter "
                f"PortfolioBucketName to {bucket}."
            )
        return Store(bucket), key

    def console(self, key: str) -> str:
        """From AWS_REGION, whose partition has a console of its own."""
        region = os.environ.get("AWS_REGION", Setup.region)
        host = next((host for start, host in CONSOLES.items() if region.startswith(start)), "console.aws.amazon.com")
        return f"https://{host}/s3/object/{self.store.bucket}?{urlencode({'region': region, 'prefix': key})}"

    def scenarios(self, plan: Plan) -> ScenarioFile:
        """See `Host`."""
        if plan.scenarios_digest not in self._scenarios:
            self._scenarios.clear()  # one file at a time: memory is sized for one
            self._scenarios[plan.scenarios_digest] = read_scenarios(self.store, plan)
        return self._scenarios[plan.scenarios_digest]

    def defaults(self, kind: type) -> dict[str, Any]:
        """From DEFAULT_<NAME>; numbers as numbers."""
        return {field.name: _typed(os.environ.get(f"DEFAULT_{field.name.upper()}", "")) for field in fields(kind)}

    def setup(self, request: RunRequest) -> Setup:
        """From SIMULATE_MEMORY, CHILD_EXECUTION_TYPE, MONTECARLO_KERNEL, AWS_REGION and the processor; and from
        COMPUTE, which is fargate or ec2 where workers simulate, SPOT, ON_DEMAND, and what says how many workers there
        are.
        """
        setup = Setup(
            memory_mb=int(os.environ.get("SIMULATE_MEMORY", Setup.memory_mb)),
            architecture="arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64",
            children=os.environ.get("CHILD_EXECUTION_TYPE", Setup.children),
            max_concurrency=request.max_concurrency,
            max_groups=request.max_groups,
            max_group_concurrency=request.max_group_concurrency,
            region=os.environ.get("AWS_REGION", Setup.region),
            kernel=self.kernel,
        )
        compute = os.environ.get("COMPUTE", "lambda")
        if compute == "lambda":
            return replace(setup, max_concurrency=_granted(setup.max_concurrency))
        each, most = _workers()
        spot, on_demand = (int(os.environ.get(name, default)) for name, default in (("SPOT", 1), ("ON_DEMAND", 0)))
        return replace(
            setup,
            max_concurrency=min(setup.max_concurrency, each * most),
            max_groups=_granted(setup.max_groups),  # each has a function that cuts it, and one that adds it up
            workers=most,
            worker_cores=each,
            worker_memory_mb=int(os.environ.get("WORKER_MEMORY", Setup.worker_memory_mb)),
            spot=spot / (spot + on_demand) if spot + on_demand else Setup.spot,
            compute=compute,
        )

    def worker_setup(self) -> WorkerSetup:
        """From ACTIVITY_ARN, what says how many workers there are, and HEARTBEAT_SECONDS (60). Raises InvalidInput for
        numbers that are none, and where the activity or the bucket is missing.
        """
        if missing := [name for name in ("ACTIVITY_ARN", "DATA_BUCKET") if not os.environ.get(name)]:
            raise InvalidInput(
                f"{' and '.join(missing)} must be set: a worker has its settings from the task definition of its stack."
            )
        patience = float(os.environ.get("HEARTBEAT_SECONDS", WorkerSetup.heartbeat_seconds))
        return WorkerSetup(os.environ["ACTIVITY_ARN"], *_workers(), patience)

    @cached_property
    def fleet(self) -> Fleet:
        """From CLUSTER, SERVICE, RULE, PATIENCE_MINUTES, and what says how many workers there are; on EC2 from GROUP
        and WORKERS_PER_INSTANCE, too.
        """
        processes, most = _workers()
        return EcsFleet(
            cluster=os.environ["CLUSTER"],
            service=os.environ["SERVICE"],
            rule=os.environ["RULE"],
            most=most,
            processes=processes,
            patience_seconds=60 * float(os.environ["PATIENCE_MINUTES"]),
            group=os.environ.get("GROUP", ""),
            workers_per_instance=int(os.environ.get("WORKERS_PER_INSTANCE", 1)),
        )

    @property
    def log_level(self) -> str:
        """LOG_LEVEL of a worker, as `logging` names it."""
        level = os.environ.get("LOG_LEVEL", "INFO")
        return "WARNING" if level == "WARN" else level

    @property
    def kernel(self) -> Kernel:
        """MONTECARLO_KERNEL, which the stack's parameter Kernel sets. Raises InvalidInput for what is none."""
        name = os.environ.get("MONTECARLO_KERNEL") or "compiled"
        for kernel in KERNELS:
            if kernel == name:
                return kernel
        raise InvalidInput(f"there is no kernel {name!r}: set MONTECARLO_KERNEL to {' or '.join(KERNELS)}.")

    @property
    def cache(self) -> Path | None:
        """XDG_CACHE_HOME if it is an absolute path, or else ~/.cache."""
        named = Path(os.environ.get("XDG_CACHE_HOME", ""))
        if named.is_absolute():
            return named
        try:
            return Path.home() / ".cache"
        except RuntimeError:  # this user has no home
            return None

    def today(self) -> date:
        """Today, UTC."""
        return datetime.now(UTC).date()


def _workers() -> tuple[int, int]:
    """Processes of a worker, from WORKER_CORES, WORKER_MEMORY (MB) and SIMULATE_MEMORY (MB for each process); and the
    most workers, from MAX_WORKERS.
    """
    memory, each = _whole("WORKER_MEMORY", Setup.memory_mb), _whole("SIMULATE_MEMORY", Setup.memory_mb)
    return processes(_whole("WORKER_CORES", 1), memory, each), _whole("MAX_WORKERS", 1)


def _whole(name: str, default: int) -> int:
    """A variable that is a whole number from 1. Raises InvalidInput."""
    text = os.environ.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise InvalidInput(f"{name} is {text!r}, but must be a whole number from 1.")
    return int(text)


def processes(cores: int, memory_mb: int, each_mb: int) -> int:
    """How many chunks a worker simulates at once: one on each core, as far as there is memory for so many."""
    return max(1, min(cores, memory_mb // each_mb))


def _granted(asked: int) -> int:
    """Of so many functions at once, no more than nine in ten of those that the account has. A new account may have ten:
    Lambda refuses the eleventh, and what else runs in the account needs some too.
    """
    limit = concurrent_functions() if "AWS_LAMBDA_FUNCTION_NAME" in os.environ else None
    return asked if limit is None else min(asked, max(1, limit * 9 // 10))


def _typed(text: str) -> float | int | str | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text or None
