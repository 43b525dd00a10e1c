"""The figures of a run that is done, for the report of another to compare with: made again from its sums, which the
planner may read, by what made its result.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from montecarlo.documents import Damaged
from montecarlo.errors import IncompleteRun, InvalidInput, RunTaken
from montecarlo.run import sums
from montecarlo.run.plan import Plan, read_scenarios, read_waves
from montecarlo.run.result import build
from montecarlo.storage import keys
from montecarlo.storage.store import NoSuchObject, Store

COMPARED = ("fed_rate", "el", "ul", "var", "es", "economic_capital", "capital", "ecl")
"""What is taken of each case."""


def figures(run: str, store: Store, known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """{"run", "as_of", "currency", "loans", "exposure", "cases"} of a finished run, in the shape of its result.json.

    known: what an earlier plan took of it, which will do where the run has gone since. Raises InvalidInput where the
    run is not there or not done.
    """
    try:
        found = sums.read(store, run)
        plans = read_waves(store, run, len(found.scenarios))
        weights = np.concatenate([read_scenarios(store, plan).scenarios.weights for plan in plans]) / len(plans)
    except NoSuchObject:
        if known and known.get("run") == run:
            return dict(known)
        raise InvalidInput(
            f"compare_with: {store.url(keys.sums(run))} does not exist: there is no such run, it is not done, or an "
            "earlier version of this project made it. Name a run that is done, or leave compare_with out."
        ) from None
    except (Damaged, IncompleteRun, RunTaken) as error:
        raise InvalidInput(f"compare_with: the run {run} cannot be read: {error}") from None
    total = replace(found.total, profile=None)  # it lacks the largest loans
    return _of(plans[0], build(plans[0], total, weights, len(plans), {}))


def _of(plan: Plan, result: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "run": plan.run,
        "as_of": plan.as_of.isoformat(),
        "currency": result["currency"],
        "loans": result["loans"]["simulated"],
        "exposure": result["exposure"],
        "cases": {name: {key: case[key] for key in COMPARED if key in case} for name, case in result["cases"].items()},
    }
