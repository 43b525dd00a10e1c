"""SimulateChunk: one chunk from its rows to its sums: read, check, value, simulate, write."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from montecarlo.model.credit import FRACTION_BITS, in_case
from montecarlo.portfolio.rejects import rejects_table
from montecarlo.process import peak_memory_mb
from montecarlo.run import borrowers, contributions, duplicates, reuse, tail
from montecarlo.run.chunk import Chunk
from montecarlo.run.partial import Partial
from montecarlo.run.plan import Plan, read, read_waves
from montecarlo.run.simulated import Simulated, read_loans, simulate_loans
from montecarlo.run.weighed import Weighed
from montecarlo.simulation.trials import WEIGHT_BITS
from montecarlo.source.objects import Slice
from montecarlo.steps.protocol import Event, Host, objects_store, read_event
from montecarlo.storage import keys
from montecarlo.storage.parquet import to_parquet
from montecarlo.storage.store import Store


def step(event: Event, host: Host) -> dict[str, Any]:
    """{"run", "plan", "group", "chunk", "slices"}, an item of todo.json -> {"group", "chunk", "loans", "rejected"}.

    With "reuse" the chunk is taken over from the run that the plan reuses, where what that has of it is intact.
    """
    given = read_event(ChunkEvent, event)
    chunk = Chunk(given.run, given.group, given.chunk, given.slices, given.plan, given.reuse)
    plan = read(host.store, chunk.run, chunk.plan)
    plan.check_version()
    if plan.wave == keys.TAIL:
        counts = weigh(chunk, plan, host).counts
    else:
        taken = reuse.take_over(plan, chunk, host.store) if chunk.reuse and plan.reuse else None
        counts = (taken or simulate(chunk, plan, host)).counts
    return {"group": chunk.group, "chunk": chunk.number, "loans": counts.simulated, "rejected": counts.rejected}


@dataclass(frozen=True)
class ChunkEvent:
    """A chunk as `Chunk.to_json` has it."""

    run: str
    group: int
    chunk: int
    slices: tuple[Slice, ...]
    plan: str | None = None
    reuse: tuple[int, int] | None = None


def simulate(chunk: Chunk, plan: Plan, host: Host) -> Partial:
    """Simulate a chunk and write its partial, its loans and its rejects under the keys that the plan fixed.

    The partial is written last: where it is, the rest is too.
    """
    store, drawn = host.store, host.scenarios(plan)
    begun = time.perf_counter()
    chunk_loans = read_loans(plan, chunk.slices, objects_store(plan, host))
    loans, rejects = chunk_loans.loans, chunk_loans.rejects
    simulated = simulate_loans(plan, drawn, loans, host.kernel, host.cache)
    partial = simulated.partial(plan, chunk_loans.counts, chunk_loans.reasons, (chunk.group, chunk.number))
    partial.slices = chunk.digest
    partial.kernel_seconds = simulated.kernel_seconds
    partial.peak_memory_mb = peak_memory_mb()
    if not plan.wave:  # later waves would say the same again
        if rejects:
            store.put(keys.chunk_rejects(chunk.run, chunk.group, chunk.number), to_parquet(rejects_table(rejects)))
        duplicates.write_chunk(plan, chunk.group, chunk.number, loans, store)
        if plan.by_borrower:
            borrowers.write_chunk(plan, chunk.group, chunk.number, simulated.risks, store)
        _put_loans(chunk, loans_table(simulated, plan), store)
    partial.seconds = time.perf_counter() - begun
    store.put(keys.chunk_partial(chunk.run, chunk.group, chunk.number), partial.to_bytes())
    return partial


def weigh(chunk: Chunk, plan: Plan, host: Host) -> Weighed:
    """Weigh a chunk's losses in the scenarios of the tail; write its sums, a table of its loans, and the tally of its
    borrowers, under the keys that the pass's plan fixed. The sums are written last.
    """
    store, begun = host.store, time.perf_counter()
    run = plan.run.removesuffix(keys.wave("", keys.TAIL))
    of_tail = tail.read(run, store, plan.scenarios_digest)
    waves = read_waves(store, run, len(of_tail.waves))
    chunk_loans = read_loans(plan, chunk.slices, objects_store(plan, host))
    drawn = (host.scenarios(wave) for wave in waves)  # one at a time: memory is sized for one
    found = contributions.weigh(plan, drawn, of_tail, chunk_loans.loans, host.kernel, host.cache)
    sums = found.weighed(plan, chunk_loans, (chunk.group, chunk.number))
    sums.slices = chunk.digest
    sums.peak_memory_mb = peak_memory_mb()
    if contributions.names_borrowers(plan):
        duplicates.put_chunk(plan, chunk.group, chunk.number, found.tally(), store)
    _put_loans(chunk, found.table(plan), store)
    sums.seconds = time.perf_counter() - begun
    store.put(keys.chunk_partial(chunk.run, chunk.group, chunk.number), sums.to_bytes())
    return sums


AMOUNTS = ("ExpectedLoss_", "Capital_", "TwelveMonthECL_", "LifetimeECL_", "ES_", "EconomicCapital_")
"""Columns of the results loan by loan that are as good as random: to compress them takes long and saves an eighth."""


def _put_loans(chunk: Chunk, table: pa.Table, store: Store) -> None:
    """Write what is told loan by loan."""
    dense = [name for name in table.column_names if name.startswith(AMOUNTS)]
    store.put(keys.chunk_loans(chunk.run, chunk.group, chunk.number), to_parquet(table, dense=dense))


def loans_table(simulated: Simulated, plan: Plan) -> pa.Table:
    """Results loan by loan, amounts in currency units: exposure, loss at default (in each case where one shifts
    collateral) and, per case, PD, expected loss, simulated default frequency, Basel IRB capital and expected credit
    losses; the lifetime's null where the loan has no term.
    """
    loans, risks, valuation = simulated.loans, simulated.risks, simulated.valuation
    per_unit = 100 << FRACTION_BITS
    segments = pa.array(list(plan.parameters.segments))
    columns: dict[str, Any] = {
        "AccountID": loans.account_id,
        **({"ObligorID": loans.obligor_id} if plan.by_borrower else {}),
        "Segment": pa.DictionaryArray.from_arrays(pa.array(loans.segment), segments),
        "Exposure": risks.exposure / 100,
        "LossAtDefault": in_case(risks.loss, 0) / 100,
    }
    for c, case in enumerate(plan.cases):
        if risks.loss.ndim > 1:
            columns[f"LossAtDefault_{case.name}"] = risks.loss[c] / 100
        columns[f"PD_{case.name}"] = np.where(risks.certain, 1.0, risks.pd[c] / 2.0**32)
        columns[f"ExpectedLoss_{case.name}"] = valuation.expected_loss[c] / per_unit
        columns[f"DefaultFrequency_{case.name}"] = simulated.simulation.frequency[c] / 2.0**WEIGHT_BITS
        columns[f"Capital_{case.name}"] = valuation.capital[c] / per_unit
        columns[f"TwelveMonthECL_{case.name}"] = valuation.twelve_month[c] / per_unit
        columns[f"LifetimeECL_{case.name}"] = pa.array(valuation.lifetime[c] / per_unit, mask=~valuation.has_lifetime)
    return pa.table(columns)
