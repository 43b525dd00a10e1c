"""Runs of a stack, held ready to simulate parts of them again on this computer."""

from typing import TYPE_CHECKING

from cli import CommandError
from cli.history import checked_name
from cli.place import Place
from cli.screen import warn

if TYPE_CHECKING:
    from additive.replay import Replay
    from montecarlo.run.plan import Plan


def checked_case(plan: "Plan", name: str | None) -> str:
    """The case of the run's that is asked for, the first if none is. Raises CommandError where it has no such case."""
    cases = [case.name for case in plan.cases]
    if name not in (None, *cases):
        raise CommandError(f"the run {plan.run} has no case {name}: it has {', '.join(cases)}.")
    return name or cases[0]


def warn_of_unknown(replay: "Replay") -> None:
    """Say that no AccountID was looked for in a sum of runs."""
    if replay.is_sum:
        warn(
            f"Look again: {replay.run} is the sum {replay.plan.portfolio} of other runs, so no AccountID was looked "
            "for in it. A loan that is in one of them would count twice, and default together with itself."
        )


def opened(place: Place, run: str) -> "Replay":
    """The run. Raises CommandError where there is no such stack, InvalidInput where there is no such run."""
    from additive.replay import Replay
    from montecarlo.host.environment import Environment
    from montecarlo.storage.store import Store

    stack, here = place.find(), Environment()
    s3 = stack.client("s3")
    return Replay.open(
        Store(stack.bucket, s3), checked_name(run), lambda bucket: Store(bucket, s3), here.kernel, here.cache
    )
