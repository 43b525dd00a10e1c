"""What every loan and every borrower of a finished run contributes to its ES and its economic capital.

It is the pass over the tail that a run makes by itself where its request asks for contributions, made here afterwards,
by the same code and to the same figures.
"""

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from additive.replay import Replay
from montecarlo.run import contributions
from montecarlo.run.chunk import Chunk
from montecarlo.run.contributions import Found
from montecarlo.run.request import check_level
from montecarlo.run.simulated import ChunkLoans
from montecarlo.run.tail import Tail, make_plan, samples_of
from montecarlo.run.tally import Tally
from montecarlo.run.weighed import Weighed
from montecarlo.storage import keys

SCHEMA = 1


def find(replay: Replay, write: Callable[[pa.Table], None], level: float | None = None) -> dict[str, Any]:
    """The contributions of all loans: each chunk's table is given to `write`; returned are the totals and the largest.

    A loan's contribution to economic capital is that to VaR less its EL: below zero where it loses less than usual when
    VaR is lost. level: in percent, the run's `contribution_level` where it is not given. Amounts are in currency units.
    Raises InvalidPortfolio where the portfolio is not what it was, IncompleteRun where the loans do not lose what the
    run has published.
    """
    plan = replay.plan
    level = plan.contribution_level if level is None else check_level("contribution_level", level)
    samples = samples_of(replay.plans, replay.losses, replay.weights)
    tail = Tail.of(replay.plans, samples, level)
    of_pass = make_plan(plan, tail)
    total: Weighed | None = None
    tally = Tally.merge([])

    def weigh(chunk: Chunk) -> tuple[Found, ChunkLoans, Chunk]:
        rows = replay.read(chunk)
        return contributions.weigh(plan, replay.drawn, tail, rows.loans, replay.kernel, replay.cache), rows, chunk

    for found, rows, chunk in replay.over(weigh, replay.chunks()):
        sums = found.weighed(of_pass, rows, (chunk.group, chunk.number))
        if total is None:
            total = sums
        else:
            total.add(sums)
        if contributions.names_borrowers(plan):
            tally = Tally.merge([tally, found.tally()])
        if len(found.loans):
            write(found.table(plan))
    assert total is not None  # a run without a chunk has no result
    contributions.check(plan, tail, total, replay.losses, replay.store.url(keys.losses(replay.run)))
    owing = None
    if contributions.names_borrowers(plan):
        owing = contributions.find_borrowers(plan, [tally], total, replay.store)
    told = contributions.told(plan, replay.drawn, samples, total, level, owing)
    return {"schema": SCHEMA, "run": plan.run, "currency": plan.columns.currency, **told}
