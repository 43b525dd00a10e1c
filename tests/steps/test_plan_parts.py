"""PlanParts: every loan is in exactly one part."""

from montecarlo.steps import plan_parts
from montecarlo.storage import keys
from tests.memory_run import MemoryHost


def test_every_loan_is_in_one_part() -> None:
    host = MemoryHost()
    request = {"name": "new", "loans": 250, "part_loans": 100, "max_concurrency": 3}
    planned = plan_parts.step({"request": request, "execution": "execution"}, host)
    assert planned == {"name": "new", "max_concurrency": 3, "parts_key": keys.portfolio_parts("new")}
    parts = [(part["part"], part["first"], part["count"]) for part in host.json(planned["parts_key"])]
    assert parts == [
        (0, 0, 100),
        (1, 100, 100),
        (2, 200, 50),
    ]
