"""`montecarlo invoke` runs every function on its sample event."""

import json

from cli.deployment import PROJECT
from tests.deployed import Montecarlo


def test_one_function_runs_on_its_sample_event(montecarlo: Montecarlo) -> None:
    """The events of the two state machines, in the order of their states."""
    for name in (
        *("plan_parts", "generate_part", "write_manifest"),
        *("plan", "plan_group", "simulate_chunk", "reduce_group", "aggregate", "record_failure"),
    ):
        status, out, err = montecarlo("invoke", name, PROJECT / "events" / f"{name}.json")
        assert status == 0, f"{name}: {err}"
        assert json.loads(out)
    assert montecarlo("invoke", "Nonsense", PROJECT / "events" / "plan.json")[0] == 2
