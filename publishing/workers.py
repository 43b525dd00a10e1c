"""Makes the templates and the state machine of stacks whose chunks are simulated by workers.

`python -m publishing.workers` (`make console` too) writes them from what the stack with functions is made of and from
cloudformation/workers/, which has what is different. So there is one source for what the stacks have in common:

    statemachine/dataproc.asl.json    -> statemachine/dataproc-workers.asl.json
    cloudformation/dataproc.yaml      -> cloudformation/dataproc-fargate.yaml, cloudformation/dataproc-ec2.yaml
    cloudformation/monitoring.yaml    -> cloudformation/monitoring-workers.yaml
    template.yaml                     -> template-fargate.yaml, template-ec2.yaml
    terraform/lambda/                 -> terraform/fargate/, terraform/ec2/, in part: publishing.terraform

cloudformation/workers/ has the stack on Fargate, and cloudformation/workers/ec2/ what the one on EC2 has in its place.

They are committed, as SAM and Terraform read them, and a test fails when one is stale. Imports publishing.templates,
publishing.terraform and the standard library.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from publishing import terraform
from publishing.templates import read, write

PROJECT = Path(__file__).resolve().parent.parent

HEARTBEAT_SECONDS = 60
"""A chunk without a heartbeat for so long is taken from its worker. Workers send one about every 20 seconds."""

OF_FUNCTIONS = ("SimulateMemory", "ChildExecutionType")
"""Parameters that a stack with workers does not have. An Express child cannot wait for an activity."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write every file, or say with --check which are stale. Exit status: 0 done, 1 stale."""
    parser = argparse.ArgumentParser(
        prog="python -m publishing.workers", description="Write what stacks with workers are made of."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    check = parser.parse_args(arguments).check
    stale = []
    for name, text in made().items():
        path = PROJECT / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, encoding="utf-8", newline="\n")
    if check and stale:
        print(f"workers: {', '.join(stale)}: stale, run `make console`.", file=sys.stderr)
    return int(check and bool(stale))


COMPUTES = ("fargate", "ec2")
"""What workers run on: a stack for each."""


def made(project: Path = PROJECT) -> dict[str, str]:
    """Every file that is made here, by its path, as it should be."""
    folder = project / "cloudformation"
    files = {
        "statemachine/dataproc-workers.asl.json": json.dumps(
            state_machine(json.loads((project / "statemachine/dataproc.asl.json").read_text(encoding="utf-8"))),
            indent=2,
        )
        + "\n",
        "cloudformation/monitoring-workers.yaml": text(
            monitoring(of(folder / "monitoring.yaml"), of(folder / "workers/monitoring.yaml")),
            ["cloudformation/monitoring.yaml", "cloudformation/workers/monitoring.yaml"],
        ),
        **dict(terraform.made(project, OF_FUNCTIONS)),
    }
    for compute in COMPUTES:
        files[f"cloudformation/dataproc-{compute}.yaml"] = text(
            dataproc(of(folder / "dataproc.yaml"), part("dataproc", compute, project), project),
            ["cloudformation/dataproc.yaml", *parts("dataproc", compute)],
        )
        files[f"template-{compute}.yaml"] = text(
            root(of(project / "template.yaml"), part("root", compute, project)),
            ["template.yaml", *parts("root", compute)],
        )
    return files


def parts(name: str, compute: str) -> list[str]:
    """The files that have what is different in a template of a stack with workers, each in place of the one before."""
    common = f"cloudformation/workers/{name}.yaml"
    return [common] if compute == COMPUTES[0] else [common, f"cloudformation/workers/{compute}/{name}.yaml"]


def part(name: str, compute: str, project: Path) -> dict[str, Any]:
    """What those files come to."""
    common, *others = (of(project / path) for path in parts(name, compute))
    for other in others:
        common = overlaid(common, other)
    return common


def overlaid(value: Any, over: Any) -> Any:
    """A value with what stands over it: mappings entry by entry, all else as a whole; null takes an entry out."""
    if not (is_plain(value) and is_plain(over)):
        return over
    kept = {name: each for name, each in value.items() if over.get(name, each) is not None}
    return kept | {name: overlaid(kept.get(name), each) for name, each in over.items() if each is not None}


def is_plain(value: Any) -> bool:
    """Whether it is a mapping that says what it says, and no function of CloudFormation."""
    return isinstance(value, dict) and not any(name == "Ref" or name.startswith("Fn::") for name in value)


def of(path: Path) -> dict[str, Any]:
    """A template, or a part of one."""
    return read(path.read_text(encoding="utf-8"))


def text(template: dict[str, Any], sources: Sequence[str]) -> str:
    """A template as it is committed."""
    made_from = f"{', '.join(sources[:-1])} and {sources[-1]}"
    return f"# Made by `make console` from {made_from}: change those, where the comments are.\n{write(template)}"


# ---------------------------------------------------------------------------------------------------------------------


def state_machine(machine: dict[str, Any]) -> dict[str, Any]:
    """The state machine with an activity in place of the function that simulates a chunk.

    A chunk has a heartbeat; its worker may go at any moment, which is no fault of the chunk. When a run has its plan,
    or the plan of one more wave, workers are provided for it.
    """
    states = machine["States"]
    chunks = states["Groups"]["ItemProcessor"]["States"]["Chunks"]["ItemProcessor"]
    chunks["ProcessorConfig"]["ExecutionType"] = "STANDARD"  # an Express child cannot wait for an activity
    chunk = chunks["States"]["SimulateChunk"]
    _, slow_down, died = chunk["Retry"]
    backoff = {name: slow_down[name] for name in ("BackoffRate", "MaxDelaySeconds", "JitterStrategy")}
    chunk |= {
        "Comment": "TimeoutSeconds and HeartbeatSeconds count from when a worker has taken the chunk",
        "HeartbeatSeconds": HEARTBEAT_SECONDS,
        "Retry": [
            {"ErrorEquals": ["WorkerStopped"], "IntervalSeconds": 1, "MaxAttempts": 100, **backoff},
            {"ErrorEquals": ["States.HeartbeatTimeout"], "IntervalSeconds": 1, "MaxAttempts": 8, **backoff},
            {**slow_down, "ErrorEquals": ["SlowDown"]},
            {**died, "ErrorEquals": ["Runtime.ExitError", "States.Timeout"]},
        ],
    }
    plan = states["Plan"]
    provide = {
        "Comment": "Has as many workers as the run can use; they are taken away when it has ended, however it ends",
        "Type": "Task",
        "Resource": "${ProvideWorkersFunctionArn}",
        "Parameters": {"machine.$": "$$.StateMachine.Id", "execution.$": "$$.Execution.Id"},
        "TimeoutSeconds": plan["TimeoutSeconds"],
        "Retry": plan["Retry"],
        "Catch": plan["Catch"],
        "ResultPath": None,
        "Next": "Groups",
    }
    for name in ("Plan", "PlanWave"):
        states[name]["Next"] = "ProvideWorkers"
    machine["States"] = {"Plan": plan, "ProvideWorkers": provide, **states}
    return machine


def dataproc(template: dict[str, Any], part: dict[str, Any], project: Path) -> dict[str, Any]:
    """The nested template with workers in place of the function SimulateChunk."""
    resources, machine = template["Resources"], template["Resources"]["DataProcMachine"]["Properties"]
    function = resources["SimulateChunk"]["Properties"]
    shared = [policy for policy in function["Policies"] if "Ref" in policy]
    own = [statement for policy in function["Policies"] for statement in policy.get("Statement", [])]
    role = part["Resources"]["WorkerRole"]["Properties"]
    role["ManagedPolicyArns"] = shared
    allowed = role["Policies"][0]["PolicyDocument"]
    allowed["Statement"] = [*own, *allowed["Statement"]]
    (container,) = part["Resources"]["WorkerTask"]["Properties"]["ContainerDefinitions"]
    *_, command = container["Command"]["Fn::If"]
    command[:] = [(project / name).read_text(encoding="utf-8") for name in command]

    template["Description"] = part["Description"]
    without(template["Parameters"], OF_FUNCTIONS)
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    without(variables, ("SIMULATE_MEMORY", "CHILD_EXECUTION_TYPE"))
    variables |= part["Variables"]
    machine["DefinitionUri"] = machine["DefinitionUri"].replace("dataproc", "dataproc-workers")
    given = machine["DefinitionSubstitutions"]
    given["SimulateTaskArn"] = {"Ref": "Chunks"}
    given["ProvideWorkersFunctionArn"] = {"Fn::GetAtt": ["ProvideWorkers", "Arn"]}
    del given["ChunkExecutionType"]
    (invoke,) = (each for each in machine["Policies"][0]["Statement"] if each["Action"] == "lambda:InvokeFunction")
    simulate, provide = ({"Fn::GetAtt": [name, "Arn"]} for name in ("SimulateChunk", "ProvideWorkers"))
    invoke["Resource"] = [provide if target == simulate else target for target in invoke["Resource"]]

    template["Resources"] = {}
    for name, body in resources.items():
        if name == "SimulateChunk":
            template["Resources"] |= part["Resources"]
        elif name != "SimulateChunkLogs":
            template["Resources"][name] = body
    template["Parameters"] |= part["Parameters"]
    template["Conditions"] |= part["Conditions"]
    without(template["Outputs"], ("SimulateChunkName",))
    template["Outputs"] |= part["Outputs"]
    order = ("AWSTemplateFormatVersion", "Transform", "Description", "Parameters", "Mappings")
    template["Mappings"] = part["Mappings"]
    return {**{name: template[name] for name in order}, **template}


def monitoring(template: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """The dashboard and the alarm with the activity in place of the function SimulateChunk."""
    template["Resources"] = overlaid(template["Resources"], part["Resources"])
    body = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]
    before, _, after = body["Fn::Sub"].partition('    {"type": "metric", "x": 0, "y": 6')
    end = after.rindex("\n  ]\n}")
    widgets = "\n".join(f"    {line}" for line in part["Widgets"].splitlines())
    body["Fn::Sub"] = before + widgets + after[end:]
    template["Parameters"] = {
        name: value
        for known, body in template["Parameters"].items()
        for name, value in (part["Parameters"].items() if known == "SimulateChunkName" else [(known, body)])
    }
    return template


def root(template: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """The root template with the parameters of workers, and a network for them."""
    form, more = (each["Metadata"]["AWS::CloudFormation::Interface"] for each in (template, part))
    for group in form["ParameterGroups"]:
        group["Parameters"] = [name for name in group["Parameters"] if name not in OF_FUNCTIONS]
    operation = form["ParameterGroups"].pop()
    form["ParameterGroups"] += [*more["ParameterGroups"], operation]
    without(form["ParameterLabels"], OF_FUNCTIONS)
    form["ParameterLabels"] |= more["ParameterLabels"]
    template["Description"] = part["Description"]
    without(template["Parameters"], OF_FUNCTIONS)
    template["Parameters"] |= part["Parameters"]
    template["Rules"] = part["Rules"]
    resources = template["Resources"]
    for name in ("DataProc", "Monitoring"):
        there, new = resources[name]["Properties"], part["Resources"][name]["Properties"]
        without(there["Parameters"], (*OF_FUNCTIONS, "SimulateChunkName"))
        there["Parameters"] |= new["Parameters"]
        there["Location"] = new["Location"]
    template["Resources"] = {}
    for name, body in resources.items():
        if name == "DataProc":
            template["Resources"]["Network"] = part["Resources"]["Network"]
        template["Resources"][name] = body
    order = ("AWSTemplateFormatVersion", "Transform", "Description", "Metadata", "Parameters", "Rules")
    return {**{name: template[name] for name in order}, **template}


def without(values: dict[str, Any], names: Sequence[str]) -> None:
    """Take out what is there of some names."""
    for name in names:
        values.pop(name, None)


if __name__ == "__main__":
    sys.exit(main())
