"""The workers of a stack: tasks of a service of ECS, and the executions of the state machine that they work for."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from montecarlo.steps.protocol import Execution

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 8}, connect_timeout=5, read_timeout=20)


@dataclass
class EcsFleet:
    """A `steps.protocol.Fleet`. rule: of EventBridge, by which ProvideWorkers is called while there is a run.

    group: of Auto Scaling, whose instances the workers run on; empty on Fargate, which has none.
    """

    cluster: str
    service: str
    rule: str
    most: int
    processes: int
    patience_seconds: float
    group: str = ""
    workers_per_instance: int = 1

    @cached_property
    def _ecs(self) -> Any:
        return boto3.client("ecs", config=_CONFIG)

    @cached_property
    def _groups(self) -> Any:
        return boto3.client("autoscaling", config=_CONFIG)

    @cached_property
    def _states(self) -> "SFNClient":
        return boto3.client("stepfunctions", config=_CONFIG)

    @cached_property
    def _events(self) -> Any:
        return boto3.client("events", config=_CONFIG)

    def executions(self, machine: str) -> Sequence[Execution]:
        """See `Fleet`."""
        return list(self._executions(machine))

    def _executions(self, machine: str) -> Iterator[Execution]:
        pages = self._states.get_paginator("list_executions").paginate(stateMachineArn=machine, statusFilter="RUNNING")
        for page in pages:
            for listed in page["executions"]:
                if found := self.execution(listed["executionArn"]):
                    yield found

    def execution(self, arn: str) -> Execution | None:
        """See `Fleet`."""
        found = self._states.describe_execution(executionArn=arn)
        if found["status"] != "RUNNING":
            return None
        return Execution(arn, found["name"], _object(found.get("input", "")), found["startDate"])

    def stop(self, execution: Execution, error: str, cause: str) -> None:
        """See `Fleet`. One that has ended meanwhile is no error."""
        try:
            self._states.stop_execution(executionArn=execution.arn, error=error, cause=cause)
        except ClientError as refused:
            if refused.response["Error"]["Code"] not in ("ExecutionDoesNotExist", "ValidationException"):
                raise

    @property
    def size(self) -> int:
        """See `Fleet`."""
        (service,) = self._ecs.describe_services(cluster=self.cluster, services=[self.service])["services"]
        return int(service["desiredCount"])

    def resize(self, workers: int) -> None:
        """See `Fleet`. The instances first: where that fails, the next call finds the old number and does both.

        ECS would bring them too, but one a minute, as the group has more than one type of them, and take them away
        after a quarter of an hour.
        """
        if self.group:
            self._set_instances(ceil(workers / self.workers_per_instance))
        self._ecs.update_service(cluster=self.cluster, service=self.service, desiredCount=workers)

    def _set_instances(self, number: int) -> None:
        try:
            self._groups.set_desired_capacity(
                AutoScalingGroupName=self.group, DesiredCapacity=number, HonorCooldown=False
            )
        except ClientError as refused:  # while the group is at work on something else: then ECS does it, if later
            if refused.response["Error"]["Code"] not in ("ScalingActivityInProgress", "ResourceContention"):
                raise

    def look_again(self, soon: bool) -> None:
        """See `Fleet`."""
        if soon:
            self._events.enable_rule(Name=self.rule)
        else:
            self._events.disable_rule(Name=self.rule)


def _object(text: str) -> Mapping[str, Any]:
    value = json.loads(text or "{}")
    return value if isinstance(value, dict) else {}
