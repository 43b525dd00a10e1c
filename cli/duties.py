"""What each step touches in the bucket, and what each role must therefore be allowed; a test runs every step to see it.

`*` in a key is any number of any characters, slashes too, so that waves are meant as well.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

Keys = tuple[str, ...]


@dataclass(frozen=True)
class Touched:
    """What a step touches; `*` is any number of any characters, slashes too, so that waves are meant as well."""

    reads: Keys = ()
    writes: Keys = ()
    lists: Keys = ()
    deletes: Keys = ()


RUN_PLAN, GROUPS = "runs/*/plan.json", "runs/*/groups/*"

STEPS = {
    "PlanParts": Touched(
        reads=("portfolios/*/parts.json", "portfolios/*/part-*"),
        lists=("portfolios/*/",),
        deletes=("portfolios/*/part-*", "portfolios/*/manifest.json"),
        writes=("portfolios/*/parts.json",),
    ),
    "GeneratePart": Touched(
        reads=("portfolios/*/part-*",),
        writes=("portfolios/*/part-*",),
    ),
    "WriteManifest": Touched(
        reads=("portfolios/*/parts.json", "portfolios/*/part-*"),
        lists=("portfolios/*/",),
        writes=("portfolios/*/manifest.json",),
    ),
    "Plan": Touched(
        reads=(
            "portfolios/*",
            RUN_PLAN,
            "runs/*/scenarios.npz",
            "runs/*/sums.npz",
            f"{GROUPS}/objects.json",
            f"{GROUPS}/chunks.json",
            f"{GROUPS}/group.json",
        ),
        lists=("portfolios/*/",),
        writes=(
            "runs/*/request.json",
            "runs/*/estimate.json",
            "runs/*/scenarios.npz",
            RUN_PLAN,
            f"{GROUPS}/objects.json",
            "runs/*/waves/*/groups/*/chunks.json",
            "runs/*/waves/*/groups/*/group.json",
        ),
    ),
    "PlanGroup": Touched(
        reads=(
            "portfolios/*",
            RUN_PLAN,
            f"{GROUPS}/objects.json",
            f"{GROUPS}/chunks.json",
            f"{GROUPS}/group.json",
            f"{GROUPS}/chunk-*.npz",
        ),
        lists=(f"{GROUPS}/chunk-",),
        writes=(f"{GROUPS}/chunks.json", f"{GROUPS}/group.json", f"{GROUPS}/todo.json"),
    ),
    "SimulateChunk": Touched(
        reads=(
            *("portfolios/*", RUN_PLAN, "runs/*/scenarios.npz"),
            *(f"{GROUPS}/group.json", f"{GROUPS}/chunk-*.npz", "runs/*/loans/*", "runs/*/rejects/*"),  # to take over
        ),
        writes=(f"{GROUPS}/chunk-*.npz", "runs/*/loans/*", "runs/*/rejects/*"),
    ),
    "ReduceGroup": Touched(
        reads=(RUN_PLAN, f"{GROUPS}/group.json", f"{GROUPS}/chunk-*.npz"),
        writes=(f"{GROUPS}/partial.npz", f"{GROUPS}/keys-*.npz", f"{GROUPS}/keys.json"),
    ),
    "Aggregate": Touched(
        reads=(
            RUN_PLAN,
            "runs/*/scenarios.npz",
            "runs/*/estimate.json",
            f"{GROUPS}/group.json",
            f"{GROUPS}/partial.npz",
            f"{GROUPS}/keys-*.npz",
            f"{GROUPS}/keys.json",
            f"{GROUPS}/chunk-*.npz",
            "runs/*/loans/*",
        ),
        writes=(
            "runs/*/duplicates.parquet",
            "runs/*/losses.parquet",
            "runs/*/segments.parquet",
            "runs/*/tables/*",
            "runs/*/sums.npz",
            "runs/*/report.html",
            "runs/*/result.json",
        ),
    ),
    "RecordFailure": Touched(
        reads=(f"{GROUPS}/map/*",),
        lists=("runs/*/groups/", "runs/*/waves/"),
        writes=("runs/*/failure.json", "runs/*/failure.html"),
    ),
}

OF_WORKERS = {
    "ProvideWorkers": Touched(
        reads=(RUN_PLAN, "runs/*/estimate.json"),
        lists=("runs/*/groups/", "runs/*/plan.json", "runs/*/at-work"),
        writes=("runs/*/failure.json", "runs/*/failure.html"),
    ),
    "Worker": replace(STEPS["SimulateChunk"], writes=(*STEPS["SimulateChunk"].writes, "runs/*/at-work")),
}
"""The same in a stack with workers: of the function that provides them, and of a worker's role."""

OTHER_DUTIES = {"Plan": ("lambda:GetAccountSettings",)}
"""What a function asks AWS beside S3; these actions know no resource."""

MACHINES = {
    "DataGenMachine": Touched(reads=("portfolios/*/parts.json",), writes=("datagen/*",)),
    "DataProcMachine": Touched(reads=(f"{GROUPS}/todo.json",), writes=(f"{GROUPS}/map/*",)),
}
"""What a state machine's ItemReader reads and its ResultWriter writes."""


@dataclass(frozen=True)
class Duty:
    """An action on resources, under condition keys of the request."""

    action: str
    resources: tuple[str, ...]
    context: Mapping[str, str] = field(default_factory=dict)


def of_function(name: str, bucket: str) -> Iterator[Duty]:
    """What a function's role must be allowed. bucket: the ARN of the stack's."""
    yield from _in_bucket((STEPS | OF_WORKERS)[name], bucket)
    for action in OTHER_DUTIES.get(name, ()):
        yield Duty(action, ("*",))


def of_machine(name: str, arn: str, bucket: str, functions: tuple[str, ...]) -> Iterator[Duty]:
    """What a state machine's role must be allowed. arn, functions: ARNs of the machine, and of what it invokes."""
    yield from _in_bucket(MACHINES[name], bucket)
    yield Duty("lambda:InvokeFunction", functions)
    yield Duty("states:StartExecution", (arn,))  # the children of its Distributed Map
    if name == "DataProcMachine":  # tells that a run is published
        bus = ":".join([*arn.split(":")[:2], "events", *arn.split(":")[3:5], "event-bus/default"])
        yield Duty("events:PutEvents", (bus,), {"events:source": "montecarlo"})


def _in_bucket(touched: Touched, bucket: str) -> Iterator[Duty]:
    for action, keys in (
        ("s3:GetObject", touched.reads), ("s3:PutObject", touched.writes), ("s3:DeleteObject", touched.deletes)
    ):  # fmt: skip
        if keys:
            yield Duty(action, tuple(f"{bucket}/{key.replace('*', 'x')}" for key in keys))
    for prefix in touched.lists:
        yield Duty("s3:ListBucket", (bucket,), {"s3:prefix": prefix.replace("*", "x")})
