"""The workers' ECS service, and the Auto Scaling group of their instances."""

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from montecarlo.host.fleet import EcsFleet


def fleet(**more: object) -> EcsFleet:
    return EcsFleet("cluster", "service", "rule", most=25, processes=4, patience_seconds=60, **more)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def expect_workers(stub: Stubber, number: int) -> None:
    stub.add_response("update_service", {}, {"cluster": "cluster", "service": "service", "desiredCount": number})


def test_on_fargate_the_service_is_all_there_is() -> None:
    here = fleet()
    with Stubber(here._ecs) as ecs:
        expect_workers(ecs, 7)
        here.resize(7)
        ecs.assert_no_pending_responses()


@pytest.mark.parametrize(("share", "instances"), [(1, 7), (2, 4)])
def test_on_ec2_there_are_as_many_instances_as_the_workers_need(share: int, instances: int) -> None:
    here = fleet(group="group", workers_per_instance=share)
    with Stubber(here._ecs) as ecs, Stubber(here._groups) as groups:
        wanted = {"AutoScalingGroupName": "group", "HonorCooldown": False}
        groups.add_response("set_desired_capacity", {}, {**wanted, "DesiredCapacity": instances})
        groups.add_response("set_desired_capacity", {}, {**wanted, "DesiredCapacity": 0})
        for number in (7, 0):
            expect_workers(ecs, number)
            here.resize(number)
        groups.assert_no_pending_responses()
        ecs.assert_no_pending_responses()


@pytest.mark.parametrize("code", ["ScalingActivityInProgress", "ResourceContention"])
def test_a_group_that_is_at_work_is_left_to_ecs(code: str) -> None:
    here = fleet(group="group")
    with Stubber(here._ecs) as ecs, Stubber(here._groups) as groups:
        groups.add_client_error("set_desired_capacity", code)
        expect_workers(ecs, 7)
        here.resize(7)
        ecs.assert_no_pending_responses()


def test_where_the_group_cannot_be_set_the_service_keeps_its_number_so_that_the_next_call_tries_both_again() -> None:
    here = fleet(group="group")
    with Stubber(here._ecs), Stubber(here._groups) as groups:
        groups.add_client_error("set_desired_capacity", "AccessDenied")
        with pytest.raises(ClientError, match="AccessDenied"):  # a call of the service the stub would not know
            here.resize(7)
