"""Every step runs under its own role: what it reads, writes, lists and deletes is what the table says, and no role
allows more. A run through both state machines, in memory, is the measure.
"""

import inspect
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import aggregate
import generate_part
import plan
import plan_group
import plan_parts
import record_failure
import reduce_group
import simulate_chunk
import write_manifest
from cli.duties import STEPS
from montecarlo.errors import IncompleteRun, InvalidInput
from montecarlo.host.aws_lambda import environment
from montecarlo.storage import keys
from montecarlo.storage import store as storage
from montecarlo.storage.store import NoSuchObject, Store
from tests.infrastructure.roles import BUCKET, GuardedS3, allows, functions, like, own_statements, shared_statements

HANDLERS: dict[str, Callable[[dict[str, Any], object], dict[str, Any]]] = {
    "PlanParts": plan_parts.handler,
    "GeneratePart": generate_part.handler,
    "WriteManifest": write_manifest.handler,
    "Plan": plan.handler,
    "PlanGroup": plan_group.handler,
    "SimulateChunk": simulate_chunk.handler,
    "ReduceGroup": reduce_group.handler,
    "Aggregate": aggregate.handler,
    "RecordFailure": record_failure.handler,
}

NOT_OF_A_STEP = {
    "wave": "the name of a run, from which the keys of a wave are made",
    "at_work": "written by a worker, around the step",
    "deleted": "written by the command, with the user's own credentials",
}


@pytest.fixture(scope="module")
def s3() -> Iterator[GuardedS3]:
    """The bucket after two portfolios, runs with and without waves, and a failure; each step under its own role."""
    bucket = GuardedS3()

    def call(function: str, event: dict[str, Any]) -> dict[str, Any]:
        bucket.function = function
        return HANDLERS[function](event, None)

    def simulate(request: dict[str, Any]) -> None:
        planned = call("Plan", {"request": request, "execution": request["run"], "wave": 0})
        while True:
            for group in planned["groups"]:
                cut = call("PlanGroup", group)
                for chunk in json.loads(bucket.objects[cut["chunks_key"]]):
                    call("SimulateChunk", chunk)
                call("ReduceGroup", {name: group[name] for name in ("run", "plan", "group")})
            done = call("Aggregate", {name: planned[name] for name in ("run", "plan", "wave")})
            if not done["more"]:
                break
            planned = call("Plan", {"request": request, "execution": request["run"], "wave": done["wave"]})

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATA_BUCKET", "bucket")
        patch.setattr(storage, "client", lambda: bucket)
        vars(environment).pop("store", None)  # of another bucket
        request = {"name": "made", "loans": 400, "part_loans": 200, "format": "csv"}
        for change in ({"part_loans": 100}, {"replace": True}):  # the second finds what the first has left
            made = call("PlanParts", {"request": {**request, **change}, "execution": "made"})
            with pytest.raises(IncompleteRun):
                call("WriteManifest", {"name": made["name"], "parts_key": made["parts_key"]})
            for part in json.loads(bucket.objects[made["parts_key"]]):
                for _ in ("attempt", "retry"):
                    call("GeneratePart", part)
            call("WriteManifest", {"name": made["name"], "parts_key": made["parts_key"]})
        lines = bucket.objects[keys.portfolio_part("made", 0, "csv")].split(b"\n")
        lines[1] = b"," + lines[1].partition(b",")[2]  # a loan without an AccountID is rejected
        lines.insert(2, lines[3])  # an AccountID that occurs twice
        bucket.objects["portfolios/own/loans.csv"] = b"\n".join(lines)
        waves = {"run": "waves", "portfolio": "portfolios/made/", "scenarios": 100, "chunk_loans": 150,
                 "target_error": 0.0001, "max_scenarios": 200}  # fmt: skip
        simulate(waves)
        simulate(waves)
        simulate(
            {
                "run": "own",
                "mapping": {"columns": {"ObligorID": "ZipCode"}},
                "portfolio": "portfolios/own",
                "scenarios": 100,
                "max_rejected_share": 0.5,
                "max_duplicate_share": 1,
                "contributions": True,
            }
        )
        pinned = {"run": "pinned", "portfolio": "portfolios/made/", "scenarios_from": "waves"}
        simulate({**pinned, "compare_with": "waves"})
        own = json.loads(bucket.objects[keys.request("own")])
        simulate({**own, "run": "reused", "reuse": "own"})
        failed = [{"Status": "FAILED", "Error": "KeyError", "Cause": "{}"}]
        bucket.objects[f"{keys.map_results('own', 0)}/id/FAILED_0.json"] = json.dumps(failed).encode()
        failure = {"Error": "States.ExceedToleratedFailureThreshold", "Cause": ""}
        assert call("RecordFailure", {"request": {"run": "own"}, "execution": "own", "failure": failure})["error"] == (
            "KeyError"
        )
        yield bucket
    vars(environment).pop("store", None)  # of another bucket


def touched(s3: GuardedS3, function: str) -> dict[str, set[str]]:
    """The keys that a step touched in the run. Listing a key that it also asked for only told whether it is there."""
    found = {
        name: {key for by, done, key in s3.done if (by, done) == (function, action)}
        for name, action in (("reads", "s3:GetObject"), ("writes", "s3:PutObject"), ("lists", "s3:ListBucket"),
                             ("deletes", "s3:DeleteObject"))
    }  # fmt: skip
    found["lists"] -= found["reads"]
    return found


@pytest.mark.parametrize("function", STEPS)
def test_a_step_touches_what_the_table_says(s3: GuardedS3, function: str) -> None:
    for name, found in touched(s3, function).items():
        told = getattr(STEPS[function], name)
        assert not {key for key in found if not any(like(pattern, key) for pattern in told)}, f"new {name}"
        assert not {pattern for pattern in told if not any(like(pattern, key) for key in found)}, f"unused {name}"


def test_every_function_and_every_key_is_in_the_run(s3: GuardedS3) -> None:
    """A new key forces a decision: which step writes it, and which read it."""
    assert set(STEPS) == set(functions())
    touched_keys = {key for _, _, key in s3.done}
    samples = {"run": "own", "name": "made", "number": 0, "batch": 0, "part": 0, "chunk": 0, "suffix": "csv"}
    for name, make in inspect.getmembers(keys, inspect.isfunction):
        if make.__module__ != keys.__name__ or name.startswith("_") or name in NOT_OF_A_STEP:
            continue
        key = make(*(samples[parameter] for parameter in inspect.signature(make).parameters))
        assert any(touched.startswith(key) for touched in touched_keys), f"{name}: {key}"


@pytest.mark.parametrize("function", STEPS)
def test_a_role_may_write_and_delete_what_its_step_does_and_no_more(function: str) -> None:
    statements = own_statements(function)
    allowed = {
        (action, resource)
        for statement in statements
        for action in statement["Action"]
        for resource in statement["Resource"]
        if action in ("s3:PutObject", "s3:DeleteObject")
    }
    wanted = {("s3:PutObject", f"{BUCKET}/{pattern}") for pattern in STEPS[function].writes}
    wanted |= {("s3:DeleteObject", f"{BUCKET}/{pattern}") for pattern in STEPS[function].deletes}
    assert allowed == wanted
    others = {pattern for name, step in STEPS.items() if name != function for pattern in step.writes}
    for pattern in others - set(STEPS[function].writes):
        key = pattern.replace("*", "1")
        if not any(like(mine, key) for mine in STEPS[function].writes):
            assert not allows([*statements, *shared_statements(function)], "s3:PutObject", key), key


@pytest.mark.parametrize("function", STEPS)
def test_nobody_reads_what_is_published_or_of_single_loans(function: str) -> None:
    statements = [*own_statements(function), *shared_statements(function)]
    single_loans = {
        "Aggregate": ("rejects/00000-000000.parquet",),  # it compares AccountIDs
        "SimulateChunk": (),  # it has the loans themselves, and takes over what another run has of them
    }.get(function, ("loans/00000-000000.parquet", "rejects/00000-000000.parquet"))
    for key in (*single_loans, "result.json", "report.html"):
        assert not allows(statements, "s3:GetObject", f"runs/r/{key}")
    for prefix in ("", "datagen/", "run"):
        assert not allows(statements, "s3:ListBucket", prefix)


@pytest.mark.parametrize("function", STEPS)
def test_every_permission_is_used(s3: GuardedS3, function: str) -> None:
    """Each action on each resource and prefix: by the step itself, or, if shared, by one of its state machine."""
    own = {(by, done, key) for by, done, key in s3.done if by == function}
    of_machine = {(by, done, key) for by, done, key in s3.done if functions()[by] == functions()[function]}
    for statements, done in ((own_statements(function), own), (shared_statements(function), of_machine)):
        for statement in statements:
            for action in statement["Action"]:
                for resource in statement["Resource"]:
                    for prefix in statement["prefixes"] or [None]:
                        single = {"Action": [action], "Resource": [resource], "prefixes": prefix and [prefix]}
                        used = any(does == action and allows([single], action, key) for _, does, key in done)
                        assert used, single


def test_a_missing_object_is_told_from_a_refused_one() -> None:
    s3: Any = GuardedS3()
    store = Store("bucket", s3)
    s3.function = "SimulateChunk"
    with pytest.raises(NoSuchObject, match="does not exist"):
        store.get("runs/r/plan.json")
    assert not store.exists("portfolios/p/manifest.json")
    with pytest.raises(InvalidInput, match="missing or not permitted"):
        store.get("elsewhere/plan.json")
    s3.objects["runs/r/result.json"] = b"{}"
    with pytest.raises(InvalidInput, match="cannot be reached"):
        store.get("runs/r/result.json")
    s3.objects["runs/r/plan.json.old"] = b"{}"
    with pytest.raises(NoSuchObject, match="does not exist"):
        next(store.stream("runs/r/plan.json"))
