"""Whether roles allow what the steps do, as IAM itself judges it: of the templates, and of a stack that is deployed."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from cli import PROJECT, duties
from cli.deployment import MACHINES, Stack, functions
from cli.duties import Duty
from publishing.templates import read

ALLOWED = "allowed"
BUCKET = "montecarlo-doctor"
"""The name of a bucket to come."""


class Judge(Protocol):
    """IAM's answer to whether an action is allowed on resources: for each of them, its ARN and the decision."""

    def __call__(self, duty: Duty) -> Sequence[tuple[str, str]]:
        """Ask IAM. Raises ClientError where the user may not."""


def refused(judge: Judge, wanted: Iterator[Duty]) -> list[str]:
    """What a role may not do of what it must: `s3:PutObject on arn:...`."""
    return [
        f"{duty.action} on {resource}"
        for duty in wanted
        for resource, decision in judge(duty)
        if decision != ALLOWED
    ]  # fmt: skip


def of_templates(iam: Any, partition: str, region: str, account: str) -> Iterator[tuple[str, list[str]]]:
    """(name of a function or state machine, what its role may not do) for every role that the templates make."""
    place = f"arn:{partition}:{{}}:{region}:{account}"
    bucket = f"arn:{partition}:s3:::{BUCKET}"
    for stem, machine in (("datagen", "DataGenMachine"), ("dataproc", "DataProcMachine")):
        template = read((PROJECT / "cloudformation" / f"{stem}.yaml").read_text(encoding="utf-8"))
        resources = template["Resources"]
        arns = {
            name: f"{place.format('lambda')}:function:{name}" if kind == "AWS::Serverless::Function" else
            f"{place.format('states')}:stateMachine:{name}"
            for name, kind in ((name, body["Type"]) for name, body in resources.items())
        }  # fmt: skip
        values = {
            "AWS::Partition": partition, "AWS::Region": region, "AWS::AccountId": account, "DataBucketName": BUCKET,
            **{f"{name}.Name": name for name in arns},
        }  # fmt: skip
        resolve = partial(_resolved, arns=arns, values=values)
        shared = {
            name: resolve(body["Properties"]["PolicyDocument"])
            for name, body in resources.items()
            if body["Type"] in ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy")
        }
        invoked = tuple(arns[name] for name, body in resources.items() if body["Type"] == "AWS::Serverless::Function")
        for name, body in resources.items():
            if body["Type"] not in ("AWS::Serverless::Function", "AWS::Serverless::StateMachine"):
                continue
            given = body["Properties"]["Policies"]
            documents = [shared[each["Ref"]] if "Ref" in each else resolve(each) for each in given]
            documents += [
                shared[other]
                for other, more in resources.items()
                if more["Type"] == "AWS::IAM::Policy" and {"Ref": f"{name}Role"} in more["Properties"]["Roles"]
            ]
            own = duties.of_function(name, bucket) if name in duties.STEPS else (
                duties.of_machine(machine, arns[name], bucket, invoked)
            )  # fmt: skip
            yield name, refused(partial(_custom, iam, [json.dumps(document) for document in documents]), own)


def of_stack(stack: Stack) -> Iterator[tuple[str, list[str]]]:
    """The same of every role of a deployed stack, with its boundary if it has one."""
    iam, states, client = stack.client("iam"), stack.client("stepfunctions"), stack.client("lambda")
    found = dict(functions(stack))
    partition = next(iter(found.values())).split(":")[1]
    bucket = f"arn:{partition}:s3:::{stack.bucket}"
    for name, arn in found.items():
        config = client.get_function_configuration(FunctionName=arn)
        yield name, refused(partial(_principal, iam, config["Role"]), duties.of_function(name, bucket))
        if name == "ProvideWorkers":
            role = role_of_workers(stack, config["Environment"]["Variables"])
            yield "Worker", refused(partial(_principal, iam, role), duties.of_function("Worker", bucket))
    for output, machine in MACHINES.items():
        described = states.describe_state_machine(stateMachineArn=stack.outputs[output])
        invoked = tuple(arn for arn in found.values() if arn in described["definition"])
        own = duties.of_machine(machine, described["stateMachineArn"], bucket, invoked)
        yield machine, refused(partial(_principal, iam, described["roleArn"]), own)


def role_of_workers(stack: Stack, variables: Mapping[str, str]) -> str:
    """The role of the tasks of the service that ProvideWorkers sets."""
    ecs = stack.client("ecs")
    found = ecs.describe_services(cluster=variables["CLUSTER"], services=[variables["SERVICE"]])["services"][0]
    task = ecs.describe_task_definition(taskDefinition=found["taskDefinition"])["taskDefinition"]
    return str(task["taskRoleArn"])


def _custom(iam: Any, documents: Sequence[str], duty: Duty) -> list[tuple[str, str]]:
    return _decisions(iam.simulate_custom_policy(PolicyInputList=list(documents), **_asked(duty)))


def _principal(iam: Any, role: str, duty: Duty) -> list[tuple[str, str]]:
    return _decisions(iam.simulate_principal_policy(PolicySourceArn=role, **_asked(duty)))


def _asked(duty: Duty) -> dict[str, Any]:
    context = [
        {"ContextKeyName": name, "ContextKeyType": "string", "ContextKeyValues": [value]}
        for name, value in duty.context.items()
    ]
    return {"ActionNames": [duty.action], "ResourceArns": list(duty.resources), "ContextEntries": context}


def _decisions(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    """IAM tells of several resources one by one, or below a result of all of them."""
    found: list[tuple[str, str]] = []
    for result in answer["EvaluationResults"]:
        each = result.get("ResourceSpecificResults") or []
        found += [(one["EvalResourceName"], one["EvalResourceDecision"]) for one in each] or [
            (result.get("EvalResourceName", "*"), result["EvalDecision"])
        ]
    return found


def _resolved(tree: Any, arns: Mapping[str, str], values: Mapping[str, str]) -> Any:
    """A policy as CloudFormation makes it, for a stack without a portfolio bucket of its own."""
    if isinstance(tree, list):
        kept = [_resolved(each, arns, values) for each in tree if not (isinstance(each, dict) and "Fn::If" in each)]
        return [each for each in kept if each is not None]
    if not isinstance(tree, dict):
        return tree
    if "Fn::Sub" in tree:
        return re.sub(r"\$\{([\w:.]+)\}", lambda found: values[found[1]], tree["Fn::Sub"])
    if "Fn::GetAtt" in tree:
        return arns[tree["Fn::GetAtt"][0]]
    if "Ref" in tree:
        return arns.get(tree["Ref"]) or values[tree["Ref"]]
    return {name: _resolved(value, arns, values) for name, value in tree.items()}
