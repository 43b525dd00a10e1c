"""The speeds of a stack as `accept` has measured them, for `estimate --speeds` to reckon with."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from cli import CommandError
from cli.files import json_file
from cli.screen import typed
from montecarlo.cost.estimate import Speed
from montecarlo.documents import Damaged, decode

LARGE_CHUNKS, SMALL_CHUNKS = "whole", "stopped"
"""Runs of the same loans in few chunks, and in many."""

Report = Mapping[str, float]
"""What Lambda reports of an invocation, in milliseconds and MB."""


def measured(
    results: Mapping[str, Mapping[str, Any]], reports: Mapping[str, Sequence[Report]], chunks: Mapping[str, int]
) -> dict[str, Any]:
    """What can be told of `Speed` from the runs' results, what Lambda reports, and the runs' numbers of chunks.

    The kernel's time gives nanoseconds of a trial, shared out to the first case and the further ones as it is by
    default; what the workers took beside, in few chunks and in many, gives what a loan takes and what a chunk does.
    """
    found: dict[str, Any] = {}
    usual, large, small = Speed(), results.get(LARGE_CHUNKS), results.get(SMALL_CHUNKS)
    if large:
        kernel, cases = large["versions"]["kernel"], len(large["cases"])
        trials = large["loans"]["simulated"] * large["scenarios"]
        if kernel in usual.kernel_ns and trials:
            ratio = large["timings"]["kernel_seconds"] / trials * 1e9 / usual.trial_ns(kernel, cases)
            found["kernel_ns"] = {kernel: [round(ratio * ns, 3) for ns in usual.kernel_ns[kernel]]}
    if large and small and chunks[SMALL_CHUNKS] > chunks[LARGE_CHUNKS]:
        beside = {
            name: result["timings"]["worker_seconds"] - result["timings"]["kernel_seconds"]
            for name, result in ((LARGE_CHUNKS, large), (SMALL_CHUNKS, small))
        }
        more = chunks[SMALL_CHUNKS] - chunks[LARGE_CHUNKS]
        each = max(0.0, (beside[SMALL_CHUNKS] - beside[LARGE_CHUNKS]) / more)
        left = max(0.0, beside[LARGE_CHUNKS] - each * chunks[LARGE_CHUNKS])
        found["chunk_seconds"] = round(each, 4)
        found["loan_us"] = round(left / large["loans"]["simulated"] * 1e6, 2)
    starts = [line["Init Duration"] for lines in reports.values() for line in lines if line.get("Init Duration")]
    if starts:
        found["cold_start_seconds"] = round(sum(starts) / len(starts) / 1e3, 2)
    for function, name in (("Plan", "plan_seconds"), ("Aggregate", "aggregate_seconds")):
        if took := [line["Duration"] for line in reports.get(function, ()) if "Duration" in line]:
            found[name] = round(max(took) / 1e3, 2)
    return found


def read(path: Path | None) -> Speed | None:
    """The speeds in a file that `accept` wrote, over the usual ones; None without a file.

    Raises CommandError where the file holds none, or one that no stack can have.
    """
    document = json_file(path, "speeds")
    if document is None:
        return None
    given = document.get("speeds", document) if isinstance(document, dict) else None
    names = [field.name for field in fields(Speed)]
    if not isinstance(given, dict) or not given or not set(given) <= set(names):
        raise CommandError(
            f"{path} holds no speeds: it must be a file of `{typed('accept')}`, or have {', '.join(names)}."
        )
    usual = asdict(Speed())
    try:
        kernels = {**usual["kernel_ns"], **given.get("kernel_ns", {})}
        speed = decode(Speed, {**usual, **given, "kernel_ns": kernels}, "speeds")
    except (Damaged, TypeError) as error:
        raise CommandError(f"{path}: the speeds are wrong: {error}.") from None
    numbers = [*asdict(speed).values(), *(ns for pair in speed.kernel_ns.values() for ns in pair)]
    if any(isinstance(number, float) and not 0 <= number < math.inf for number in numbers) or not (
        speed.listed_per_second and speed.s3_mb_per_second and speed.reduce_mb_per_second
    ):
        raise CommandError(f"{path}: a speed must be 0 or more, and rates above 0.")
    return speed
