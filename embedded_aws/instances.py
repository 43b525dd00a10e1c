"""Instances of Auto Scaling groups, and the tasks of ECS that are placed on them.

A task whose capacity provider has a group waits, as PROVISIONING, until one of the group's instances has room for it.
A group has as many instances as it is told to, at once; one that is taken away has its tasks stopped before, which is
what managed draining does. ECS's own scaling, which on AWS brings an instance a minute and takes away what has stood
idle for a quarter of an hour, is not here: without a group's size set, a task waits for ever.

An instance has the least vCPUs and memory that the group's instance requirements ask for, less what its system takes.
Imports MiniStack and the standard library only.
"""

import threading
import time
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import autoscaling, ecs
from ministack.services.cloudformation import provisioners

LOOK_SECONDS = 0.05

SYSTEM_SHARE = 1 / 16
"""Of an instance's memory, that ECS has none of."""

_reconcile_instances: Any = autoscaling._reconcile_instances
_set_desired_capacity: Any = autoscaling._set_desired_capacity
_start_task_worker: Any = ecs._start_task_worker
_create_from_template: Any = provisioners._asg_create
_update_from_template: Any = provisioners._asg_update
_delete_from_template: Any = provisioners._asg_delete

_placing = threading.Lock()


def patch() -> None:
    """Install the replacements."""
    autoscaling._reconcile_instances = reconcile
    autoscaling._ACTION_MAP["SetDesiredCapacity"] = set_desired_capacity
    ecs._start_task_worker = start_task
    handlers = provisioners._RESOURCE_HANDLERS["AWS::AutoScaling::AutoScalingGroup"]
    handlers |= {"create": create_from_template, "update": update_from_template, "delete": delete_from_template}


# Groups ---------------------------------------------------------------------------------------------------------------


def set_desired_capacity(parameters: Any) -> Any:
    """SetDesiredCapacity, which refuses what is beyond the group's limits."""
    group = autoscaling._asgs.get(autoscaling._p(parameters, "AutoScalingGroupName"))
    wanted = autoscaling._p(parameters, "DesiredCapacity")
    if group and wanted and not group["MinSize"] <= int(wanted) <= group["MaxSize"]:
        return autoscaling._error(
            "ValidationError",
            f"New SetDesiredCapacity value {wanted} is not between the min value {group['MinSize']} and the max value "
            f"{group['MaxSize']} for the AutoScalingGroup.",
        )
    return _set_desired_capacity(parameters)


def reconcile(group: Any) -> None:
    """Have as many instances as the group is to have; those that go are drained."""
    with _placing:
        before = {instance["InstanceId"] for instance in group["Instances"]}
        _reconcile_instances(group)
        after = {instance["InstanceId"] for instance in group["Instances"]}
    drain(before - after)


def drain(gone: set[str]) -> None:
    """Stop the tasks on instances that are taken away; their services start others."""
    stopped = [(arn, task) for arn, task in list(ecs._tasks.items()) if task.get("_instance") in gone]
    for arn, task in stopped:
        cluster = ecs._cluster_name_from_arn(task["clusterArn"])
        ecs._stop_task({"task": arn, "cluster": cluster, "reason": "Instance is draining"})
    for cluster, service in {(ecs._cluster_name_from_arn(task["clusterArn"]), task["group"]) for _, task in stopped}:
        ecs._reconcile_service_tasks(cluster, f"{cluster}/{service.removeprefix('service:')}")


def create_from_template(logical_id: str, properties: Any, stack: str) -> Any:
    """Create a group of a template with its mix of instances, and the instances that it begins with."""
    created = _create_from_template(logical_id, properties, stack)
    return keep(created, properties)


def update_from_template(physical_id: str, old: Any, new: Any, stack: str, logical_id: str | None = None) -> Any:
    """Update a group of a template. How many instances there are stays, where the template does not say."""
    size = (autoscaling._asgs.get(physical_id) or {}).get("DesiredCapacity", 0)
    return keep(_update_from_template(physical_id, old, {"DesiredCapacity": size, **new}, stack, logical_id), new)


def keep(made: Any, properties: Any) -> Any:
    """Keep the mix of instances that a template gives a group."""
    group = autoscaling._asgs[made[0]]
    if "MixedInstancesPolicy" in properties:
        group["MixedInstancesPolicy"] = properties["MixedInstancesPolicy"]
    reconcile(group)
    return made


def delete_from_template(physical_id: str, properties: Any) -> None:
    """Delete a group of a template with its instances. CloudFormation waits in vain for one that is protected."""
    group = autoscaling._asgs.get(physical_id)
    if group:
        if any(instance["ProtectedFromScaleIn"] for instance in group["Instances"]):
            raise ValueError(f"{physical_id} has instances that are protected from scale-in")
        group |= {"MinSize": 0, "DesiredCapacity": 0}
        reconcile(group)
    _delete_from_template(physical_id, properties)


# Tasks ----------------------------------------------------------------------------------------------------------------


def start_task(task: Any, definition: Any, overrides: Any, docker: Any) -> None:
    """Start a task, as soon as there is an instance for it where it needs one."""
    while (group := group_of(task)) is not None and ecs._task_is_active(task["taskArn"], task):
        if place(task, definition, group):
            break
        time.sleep(LOOK_SECONDS)
    _start_task_worker(task, definition, overrides, docker)


def group_of(task: Any) -> Any:
    """The Auto Scaling group that a task's capacity provider has, or None."""
    provider = ecs._capacity_providers.get(task.get("capacityProviderName") or "") or {}
    arn = provider.get("autoScalingGroupProvider", {}).get("autoScalingGroupArn", "")
    return autoscaling._asgs.get(arn.rsplit("/", 1)[-1])


def place(task: Any, definition: Any, group: Any) -> bool:
    """Place a task on the fullest instance that has room for it. Returns whether there is one."""
    wanted = int(definition.get("cpu") or 0), int(definition.get("memory") or 0)
    with _placing:
        used: dict[str, list[tuple[int, int]]] = {each["InstanceId"]: [] for each in group["Instances"]}
        for other in list(ecs._tasks.values()):
            if other.get("_instance") in used and ecs._task_is_active(other["taskArn"], other):
                used[other["_instance"]].append(other["_size"])
        cpu, memory = size_of(group)
        for instance, sizes in sorted(used.items(), key=lambda each: -len(each[1])):
            if all(wanted[kind] + sum(size[kind] for size in sizes) <= room for kind, room in enumerate((cpu, memory))):
                cluster = ecs._cluster_name_from_arn(task["clusterArn"])
                place = f"arn:aws:ecs:{get_region()}:{get_account_id()}:container-instance/{cluster}"
                task |= {"_instance": instance, "_size": wanted, "containerInstanceArn": f"{place}/{instance}"}
                return True
    return False


def size_of(group: Any) -> tuple[float, float]:
    """CPU units and MB that an instance of a group has for tasks; without end where its requirements do not say."""
    template = (group.get("MixedInstancesPolicy") or {}).get("LaunchTemplate") or {}
    for override in template.get("Overrides") or []:
        if needs := override.get("InstanceRequirements"):
            return 1024 * int(needs["VCpuCount"]["Min"]), int(needs["MemoryMiB"]["Min"]) * (1 - SYSTEM_SHARE)
    return float("inf"), float("inf")
