"""SimulateChunk: one chunk from its rows to its sums: read, check, value, simulate, write."""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from montecarlo.model.credit import FRACTION_BITS, LoanRisks, loan_risks
from montecarlo.model.valuation import Valuation, value
from montecarlo.portfolio.loans import Loans, validate
from montecarlo.portfolio.rejects import rejects_table
from montecarlo.process import peak_memory_mb
from montecarlo.run import borrowers, dimensions, duplicates
from montecarlo.run.chunk import Chunk
from montecarlo.run.input_profile import InputProfile
from montecarlo.run.partial import Counts, Partial
from montecarlo.run.plan import Plan, read
from montecarlo.simulation import kernel
from montecarlo.simulation.trials import WEIGHT_BITS, mix64
from montecarlo.source.objects import Slice
from montecarlo.source.reading import read_slices
from montecarlo.steps.protocol import Event, Host, objects_store, read_event
from montecarlo.storage import keys
from montecarlo.storage.parquet import to_parquet


def step(event: Event, host: Host) -> dict[str, Any]:
    """{"run", "plan", "group", "chunk", "slices"}, an item of todo.json -> {"group", "chunk", "loans", "rejected"}."""
    given = read_event(ChunkEvent, event)
    chunk = Chunk(given.run, given.group, given.chunk, given.slices, given.plan)
    plan = read(host.store, chunk.run, chunk.plan)
    counts = simulate(chunk, plan, host).counts
    return {"group": chunk.group, "chunk": chunk.number, "loans": counts.simulated, "rejected": counts.rejected}


@dataclass(frozen=True)
class ChunkEvent:
    """A chunk as `Chunk.to_json` has it."""

    run: str
    group: int
    chunk: int
    slices: tuple[Slice, ...]
    plan: str | None = None


def simulate(chunk: Chunk, plan: Plan, host: Host) -> Partial:
    """Simulate a chunk and write its partial, its loans and its rejects under the keys that the plan fixed.

    The partial is written last: where it is, the rest is too.
    """
    store, drawn = host.store, host.scenarios(plan)
    begun = time.perf_counter()
    rows = read_slices(chunk.slices, objects_store(plan, host), plan.columns)
    parameters = plan.parameters
    loans, rejects = validate(
        rows, plan.columns, tuple(parameters.segments), plan.as_of, tuple(parameters.named_sectors)
    )
    sampled = loans.select(in_sample(loans, plan.sample)) if plan.sample > 1 else loans
    counts = Counts(
        read=len(loans) + len(rejects) + rows.filtered,
        simulated=len(sampled),
        rejected=len(rejects),
        not_sampled=len(loans) - len(sampled),
        filtered=rows.filtered,
    )
    loans = sampled
    borrowers.check(plan, loans)
    risks = loan_risks(loans, plan.parameters, plan.cases, drawn.tables)
    valuation = value(loans, risks, drawn.tables)
    labels = dimensions.labels(loans.dimensions)

    started = time.perf_counter()
    simulation = kernel.simulate(
        risks,
        drawn.tables,
        drawn.scenarios,
        plan.seed,
        host.kernel,
        host.cache,
        dimensions.rows(labels, len(loans)),
    )
    seconds = time.perf_counter() - started

    partial = Partial.of_chunk(
        plan.digest,
        (chunk.group, chunk.number),
        risks,
        valuation,
        simulation,
        counts,
        dict(Counter(reject.reason for reject in rejects)),
        labels,
        None if plan.wave else InputProfile.of(loans, risks, len(plan.parameters.segments)),
    )
    partial.slices = chunk.digest
    partial.kernel_seconds = seconds
    partial.peak_memory_mb = peak_memory_mb()
    if rejects and not plan.wave:  # later waves would say the same again
        store.put(keys.chunk_rejects(chunk.run, chunk.group, chunk.number), to_parquet(rejects_table(rejects)))
    if not plan.wave:
        duplicates.write_chunk(plan, chunk.group, chunk.number, loans, store)
        if plan.by_borrower:
            borrowers.write_chunk(plan, chunk.group, chunk.number, risks, store)
        loan_results = to_parquet(loans_table(loans, risks, valuation, simulation, plan))
        store.put(keys.chunk_loans(chunk.run, chunk.group, chunk.number), loan_results)
    partial.seconds = time.perf_counter() - begun
    store.put(keys.chunk_partial(chunk.run, chunk.group, chunk.number), partial.to_bytes())
    return partial


def in_sample(loans: Loans, one_in: int) -> npt.NDArray[np.bool_]:
    """Which loans, bool (N,), belong to a sample of one borrower in so many: by their IDs, so that no file matters."""
    # The kernel's random bytes are keyed by the loan's key; its hash is independent of them.
    return np.asarray(mix64(loans.obligor_key) % np.uint64(one_in) == 0)


def loans_table(
    loans: Loans, risks: LoanRisks, valuation: Valuation, simulation: kernel.Simulation, plan: Plan
) -> pa.Table:
    """Results loan by loan, amounts in currency units: exposure, loss at default and, per case, PD, expected loss,
    simulated default frequency, Basel IRB capital and expected credit losses; the lifetime's null where the loan has no
    term.
    """
    per_unit = 100 << FRACTION_BITS
    segments = pa.array(list(plan.parameters.segments))
    columns: dict[str, Any] = {
        "AccountID": loans.account_id,
        **({"ObligorID": loans.obligor_id} if plan.by_borrower else {}),
        "Segment": pa.DictionaryArray.from_arrays(pa.array(loans.segment), segments),
        "Exposure": risks.exposure / 100,
        "LossAtDefault": risks.loss / 100,
    }
    for c, case in enumerate(plan.cases):
        columns[f"PD_{case.name}"] = np.where(risks.certain, 1.0, risks.pd[c] / 2.0**32)
        columns[f"ExpectedLoss_{case.name}"] = valuation.expected_loss[c] / per_unit
        columns[f"DefaultFrequency_{case.name}"] = simulation.frequency[c] / 2.0**WEIGHT_BITS
        columns[f"Capital_{case.name}"] = valuation.capital[c] / per_unit
        columns[f"TwelveMonthECL_{case.name}"] = valuation.twelve_month[c] / per_unit
        columns[f"LifetimeECL_{case.name}"] = pa.array(valuation.lifetime[c] / per_unit, mask=~valuation.has_lifetime)
    return pa.table(columns)
