"""Runs of a stack, held ready to simulate parts of them again on this computer."""

from typing import TYPE_CHECKING

from cli.history import checked_name
from cli.place import Place

if TYPE_CHECKING:
    from additive.replay import Replay


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
