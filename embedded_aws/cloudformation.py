"""What MiniStack's CloudFormation leaves out, for nested stacks most of all.

Imports MiniStack and the standard library only.
"""

import json
import re
from typing import Any

from ministack.services import ecs, s3, sns, stepfunctions
from ministack.services.cloudformation import _stacks, changesets, engine, handlers, helpers, provisioners

from embedded_aws import permissions, queries, scheduler, step_functions

_create_state_machine: Any = provisioners._sfn_state_machine_create
_update_state_machine: Any = provisioners._sfn_state_machine_update
_resolve_template: Any = helpers._resolve_template
_parse_template: Any = engine._parse_template
_update_resource: Any = provisioners._update_resource
_delete_nested_stack: Any = provisioners._cfn_nested_stack_delete
_delete_bucket: Any = provisioners._s3_delete
_create_topic: Any = provisioners._sns_create
_create_schedule: Any = provisioners._scheduler_schedule_create
_update_schedule: Any = provisioners._scheduler_schedule_update


def patch() -> None:
    """Install the replacements."""
    engine._parse_template = parse_nested_template
    provisioners._update_resource = update_nested_resource
    provisioners._RESOURCE_HANDLERS["AWS::CloudFormation::Stack"]["delete"] = delete_nested_stack
    provisioners._RESOURCE_HANDLERS["AWS::S3::Bucket"]["delete"] = delete_bucket
    provisioners._RESOURCE_HANDLERS["AWS::SNS::Topic"]["create"] = create_topic
    provisioners._RESOURCE_HANDLERS["AWS::Scheduler::Schedule"]["create"] = create_schedule
    provisioners._RESOURCE_HANDLERS["AWS::Scheduler::Schedule"]["update"] = update_schedule
    provisioners._RESOURCE_HANDLERS["AWS::StepFunctions::StateMachine"]["create"] = create_state_machine
    provisioners._RESOURCE_HANDLERS["AWS::StepFunctions::StateMachine"]["update"] = update_state_machine
    provisioners._RESOURCE_HANDLERS |= {
        "AWS::Logs::QueryDefinition": {"create": create_query, "delete": delete_query},
        "AWS::StepFunctions::Activity": {"create": create_activity, "delete": delete_activity},
        "AWS::ECS::CapacityProvider": {"create": create_capacity_provider, "delete": delete_capacity_provider},
        "AWS::ECS::ClusterCapacityProviderAssociations": {
            "create": associate_providers,
            "delete": dissociate_providers,
        },
    }
    for module in (helpers, handlers, changesets):
        module._resolve_template = resolve_template


def parse_nested_template(body: str) -> Any:
    """Parse a nested stack's template and expand its SAM resources.

    AWS expands `Transform: AWS::Serverless-2016-10-31` in nested stacks too; MiniStack does so in root stacks only.
    Root stacks keep their own reference to MiniStack's parser and are not affected.
    """
    template = engine._apply_transforms(_parse_template(body))
    if isinstance(template, engine._TransformFailed):
        raise ValueError(template.error)
    return template


def update_nested_resource(
    resource_type: str,
    physical_id: str,
    old: Any,
    new: Any,
    stack: str,
    logical_id: str | None = None,
    attributes: Any = None,
) -> Any:
    """Update a resource and keep the attributes that the update does not mention.

    On AWS `!GetAtt` of an unchanged resource has its value after an update. MiniStack updates nested resources
    without handing over their attributes, so that an ARN would come out empty.
    """
    known = ((_stacks.get(stack) or {}).get("_resources", {}).get(logical_id) or {}).get("Attributes") or {}
    physical_id, changed = _update_resource(
        resource_type, physical_id, old, new, stack, logical_id, attributes or known
    )
    return physical_id, {**known, **(changed or {})}


def delete_nested_stack(physical_id: str, properties: Any) -> None:
    """Delete a nested stack, but what its template says to retain; MiniStack retains it in root stacks only."""
    stack = _stacks.get(provisioners._nested_stack_lookup_name(physical_id)) or {}
    declared = (stack.get("_template") or {}).get("Resources", {})
    root = _stacks.get(provisioners._nested_stack_lookup_name(stack.get("RootId", ""))) or {}
    never_made = root.get("StackStatus") == "ROLLBACK_IN_PROGRESS"
    for name, body in declared.items():
        policy = body.get("DeletionPolicy")
        if policy == "Retain" or (policy == "RetainExceptOnCreate" and not never_made):
            stack.get("_resources", {}).pop(name, None)
    _delete_nested_stack(physical_id, properties)


def delete_bucket(physical_id: str, properties: Any) -> None:
    """Delete a stack's bucket, unless there are objects in it: S3 refuses that, where MiniStack drops them."""
    bucket = s3._buckets.get(physical_id)
    if bucket and (bucket["objects"] or s3._bucket_has_versions(physical_id)):
        raise ValueError(f"The bucket you tried to delete is not empty: {physical_id}")
    _delete_bucket(physical_id, properties)


def create_topic(logical_id: str, properties: Any, stack: str) -> Any:
    """Create a topic, and with it the key that it is encrypted with."""
    created = _create_topic(logical_id, properties, stack)
    if key := properties.get("KmsMasterKeyId"):
        sns._topics[created[0]]["attributes"]["KmsMasterKeyId"] = key
    return created


def create_schedule(logical_id: str, properties: Any, stack: str) -> Any:
    """Create a schedule, unless Scheduler refuses its expression, which MiniStack does not tell."""
    answer(scheduler.refusal(properties["ScheduleExpression"]) or (200, {}, b"{}"))
    return _create_schedule(logical_id, properties, stack)


def update_schedule(physical_id: str, old: Any, new: Any, stack: str) -> Any:
    """Update a schedule, unless Scheduler refuses its expression."""
    answer(scheduler.refusal(new["ScheduleExpression"]) or (200, {}, b"{}"))
    return _update_schedule(physical_id, old, new, stack)


def create_query(logical_id: str, properties: Any, stack: str) -> Any:
    """Save a query of logs."""
    key = answer(queries.put(camel_case(properties)))["queryDefinitionId"]
    return key, {"QueryDefinitionId": key}


def delete_query(physical_id: str, properties: Any) -> None:
    """Delete a saved query."""
    queries.delete({"queryDefinitionId": physical_id})


def create_state_machine(logical_id: str, properties: Any, stack: str) -> Any:
    """Create a state machine, if its role may write its logs; it knows whether it is traced."""
    if not permissions.may_write_logs(properties.get("RoleArn", ""), properties.get("LoggingConfiguration")):
        raise ValueError(step_functions.LOG_REFUSAL)
    created = _create_state_machine(logical_id, properties, stack)
    step_functions.keep_tracing(created[0], is_traced(properties))
    return created


def update_state_machine(physical_id: str, old: Any, new: Any, stack: str, logical_id: str | None = None) -> Any:
    """Update a state machine; it knows whether it is traced."""
    updated = _update_state_machine(physical_id, old, new, stack, logical_id)
    step_functions.keep_tracing(updated[0] if isinstance(updated, tuple) else updated, is_traced(new))
    return updated


def is_traced(properties: Any) -> bool:
    """Whether a template's state machine is traced; CloudFormation makes texts of truth values."""
    return str((properties.get("TracingConfiguration") or {}).get("Enabled")).lower() == "true"


# What stacks with workers need ----------------------------------------------------------------------------------------


def create_activity(logical_id: str, properties: Any, stack: str) -> Any:
    """Create an activity of Step Functions."""
    name = properties.get("Name") or provisioners._physical_name(stack, logical_id, max_len=80)
    tags = [{"key": tag["Key"], "value": tag["Value"]} for tag in properties.get("Tags") or []]
    arn = answer(stepfunctions._create_activity({"name": name, "tags": tags}))["activityArn"]
    return arn, {"Arn": arn, "Name": name}


def delete_activity(physical_id: str, properties: Any) -> None:
    """Delete an activity."""
    stepfunctions._delete_activity({"activityArn": physical_id})


def create_capacity_provider(logical_id: str, properties: Any, stack: str) -> Any:
    """Create a capacity provider of ECS for an Auto Scaling group."""
    name = properties.get("Name") or provisioners._physical_name(stack, logical_id, max_len=80)
    provider = camel_case(properties["AutoScalingGroupProvider"])
    tags = camel_case(properties.get("Tags") or [])
    answer(ecs._create_capacity_provider({"name": name, "autoScalingGroupProvider": provider, "tags": tags}))
    return name, {}


def delete_capacity_provider(physical_id: str, properties: Any) -> None:
    """Delete a capacity provider, unless a cluster has it, which ECS refuses."""
    if any(physical_id in cluster.get("capacityProviders", []) for cluster in ecs._clusters.values()):
        raise ValueError(f"The capacity provider {physical_id} is in use and cannot be deleted")
    ecs._delete_capacity_provider({"capacityProvider": physical_id})


def associate_providers(logical_id: str, properties: Any, stack: str) -> Any:
    """Give a cluster its capacity providers and its default strategy; the association is named after the cluster."""
    strategy = [
        {**each, **{name: int(each[name]) for name in ("base", "weight") if name in each}}
        for each in camel_case(properties.get("DefaultCapacityProviderStrategy") or [])
    ]
    request = {
        "cluster": properties["Cluster"],
        "capacityProviders": properties.get("CapacityProviders") or [],
        "defaultCapacityProviderStrategy": strategy,
    }
    answer(ecs._put_cluster_capacity_providers(request))
    return properties["Cluster"], {}


def dissociate_providers(physical_id: str, properties: Any) -> None:
    """Leave a cluster without capacity providers."""
    ecs._put_cluster_capacity_providers({"cluster": physical_id})


def answer(response: Any) -> Any:
    """What a service answers. Raises ValueError with its message, which becomes the stack event's reason."""
    status, _, body = response
    result = json.loads(body)
    if status >= 400:
        raise ValueError(result.get("message") or result.get("Message") or str(result))
    return result


def camel_case(value: Any) -> Any:
    """Properties spelt as CloudFormation spells them, spelt as the service does."""
    if isinstance(value, dict):
        return {key[0].lower() + key[1:]: camel_case(each) for key, each in value.items()}
    if isinstance(value, list):
        return [camel_case(each) for each in value]
    return value


# Addresses of templates -----------------------------------------------------------------------------------------------

VIRTUAL_HOSTED = re.compile(
    r"(https?)://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\.(s3[.-][a-z0-9.-]*amazonaws\.com|localhost:\d+)/"
)


def resolve_template(parameters: Any) -> Any:
    """Find the template that a request names; its bucket may stand in the host's name, too, as the console has it."""
    url = helpers._p(parameters, "TemplateURL")
    if url:
        parameters = {**parameters, "TemplateURL": [VIRTUAL_HOSTED.sub(r"\1://\3/\2/", url)]}
    return _resolve_template(parameters)
