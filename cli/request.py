"""The input of a run, from what the command line says, checked before anything is started."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cli import CommandError
from cli.deployment import Stack
from cli.files import json_file
from montecarlo.model.cases import Case
from montecarlo.model.parameters import load
from montecarlo.run.pinned import find_source
from montecarlo.run.request import MAX_CASES, RunRequest, run_request, stress_cases
from montecarlo.storage.store import Store


def cases(rates: Sequence[float], file: Path | None) -> dict[str, Any]:
    """The stress cases: one rate, a case for each of several rates, or the cases of a file. Raises CommandError."""
    if rates and file:
        raise CommandError("give --fed-rate or --cases, not both: each says which cases there are.")
    if file:
        return {"cases": json_file(file, "cases")}
    texts = [rate_text(rate) for rate in rates]
    if len(set(rates)) < len(rates):
        raise CommandError(f"--fed-rate has a rate twice: {' '.join(texts)}; each is a case of its own.")
    if len(rates) > MAX_CASES:
        raise CommandError(f"--fed-rate has {len(rates)} rates, but a run has at most {MAX_CASES} cases beside base.")
    if len(rates) == 1:
        return {"fed_rate": rates[0]}
    return (
        {"cases": {f"fed_{text}": {"fed_rate": rate} for text, rate in zip(texts, rates, strict=True)}} if rates else {}
    )


def rate_text(rate: float) -> str:
    """A rate with all its digits, and none that it does not need: no two rates have one text."""
    return repr(rate).removesuffix(".0")


def pinned(request: Mapping[str, Any], stack: Stack) -> tuple[RunRequest, tuple[Case, ...]]:
    """As `checked`, of a request that takes the scenarios of another run: with all that these bring along."""
    s3 = stack.client("s3")
    place, run = request["scenarios_from"], request.get("run", "check")
    store = Store(stack.bucket, s3)
    source = find_source(place, run, store, lambda there: (Store(there.split("/")[2], s3), ""))
    understood = run_request({"run": run, **request}, source.defaults(request))
    parameters = load(understood.parameters)
    cases = stress_cases(understood, Case("base", parameters.base_fed_rate, {}), parameters.segments)
    source.check(understood, parameters, cases)
    return understood, cases


def checked(request: Mapping[str, Any]) -> tuple[RunRequest, tuple[Case, ...]]:
    """The request and its cases as the planner of a run understands them. Raises InvalidInput where it would."""
    understood = run_request({"run": "check", **request}, {})
    parameters = load(understood.parameters)
    _ = understood.columns  # raises where the mapping or the filter cannot be used
    return understood, stress_cases(understood, Case("base", parameters.base_fed_rate, {}), parameters.segments)
