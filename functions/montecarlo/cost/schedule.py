"""How the chunks of a run share its functions, and how long that takes at the rates that AWS publishes.

Groups run side by side, each with a share of the functions; the chunks of one group are the children of one Map Run.
Imports the standard library and NumPy only.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LAMBDA_BURST = 1_000
"""Environments that Lambda makes for a function at once."""

LAMBDA_PER_SECOND = 100.0
"""Environments that it makes a second after these: "1,000 every 10 seconds, refilled continuously"."""

TRANSITIONS_PER_CHILD = 2
"""State transitions of a Standard child: its start and its one state."""


@dataclass(frozen=True)
class Rates:
    """What limits how soon chunks start, in chunks a second.

    map_run: what one Map Run starts. account: what the account's StateTransition quota lets all of them start; infinite
    for Express children, which do not count towards it. s3: of how many S3 serves the requests.
    """

    map_run: float
    account: float = math.inf
    s3: float = math.inf


def shares(chunks: Sequence[int], at_once: int, at_once_each: int) -> list[int]:
    """How many chunks of each group may run at once, for groups that all run at the same time.

    The groups end together, as far as whole chunks allow: the deal needs the fewest rounds of chunks that any deal
    needs, and what is left is handed out in proportion, as the numbers of chunks are often guesses. Each share is at
    least 1 and at most `at_once_each`; their sum is at most `at_once`. Raises ValueError for more groups than places.
    """
    if at_once < len(chunks):
        raise ValueError(f"{len(chunks)} groups cannot share {at_once} places.")
    needs = [max(1, number) for number in chunks]

    def places(rounds: int) -> list[int]:
        return [-(-number // rounds) for number in needs]

    rounds = bisect_left(range(max(needs)), True, lo=1, key=lambda rounds: sum(places(rounds)) <= at_once)
    given = places(rounds)
    return [min(at_once_each, share * at_once // sum(given)) for share in given]


def deal(chunks: npt.NDArray[np.float64], groups: int) -> list[int]:
    """Where to cut a list of objects into at most so many groups of about equal work.

    chunks: float (N,), the chunks' worth of work in each object, in their order. Returns the number of objects before
    each group's end, the last being N; a group is never empty.
    """
    before = np.concatenate([[0.0], np.cumsum(chunks)])
    goals = before[-1] * np.arange(1, groups) / groups
    after = np.searchsorted(before, goals)
    nearer = after - (np.abs(before[after - 1] - goals) < np.abs(before[after] - goals))
    return sorted({*nearer.tolist(), len(chunks)} - {0})


def duration(
    chunks: Sequence[int], given: Sequence[int], chunk_seconds: float, rates: Rates, cold_start: float = 0.0
) -> float:
    """Seconds from the start of groups that all run at once to the end of their last chunk.

    chunks, given: of each group its chunks and its share. Each chunk takes `chunk_seconds`, and `cold_start` more where
    a new environment is made for it. The rate of a group is its Map Run's, or its part of the account's or of S3's.
    """
    total = sum(chunks)
    if not total:
        return 0.0
    ends = [0.0]
    for number, share in zip(chunks, given, strict=True):
        if number:
            rate = min(rates.map_run, min(rates.account, rates.s3) * number / total)
            ends.append(cold_start + _last_end(number, min(share, number), chunk_seconds, rate))
    return max(*ends, scaled_end(total, sum(given), chunk_seconds, cold_start))


def _last_end(chunks: int, share: int, seconds: float, rate: float) -> float:
    """When the last of a group's chunks ends: they start at `rate` a second, at most `share` at a time."""
    rounds, place = divmod(chunks - 1, share)
    return max(rounds * max(seconds, share / rate) + place / rate, (chunks - 1) / rate) + seconds


def scaled_end(chunks: int, most: int, chunk_seconds: float, cold_start: float) -> float:
    """When the last chunk ends if nothing but Lambda's scaling holds them up, with at most `most` environments.

    A chunk takes an environment that is free, or else the next that Lambda makes.
    """
    environments = min(chunks, most)
    made = np.maximum(0, np.arange(1, environments + 1) - LAMBDA_BURST) / LAMBDA_PER_SECOND

    def started(moment: float) -> int:
        """Chunks that have an environment by then."""
        age = moment - made[made <= moment]
        return int((1 + np.maximum(0, np.floor((age - cold_start) / chunk_seconds + 1e-9))).sum())

    early, late = 0.0, cold_start + made[-1] + math.ceil(chunks / environments) * chunk_seconds
    for _ in range(40):
        middle = (early + late) / 2
        early, late = (early, middle) if started(middle) >= chunks else (middle, late)
    is_new = late <= made[-1] + 1e-6
    return float(late + chunk_seconds + (cold_start if is_new else 0.0))
