"""What each borrower owes in the whole portfolio, whatever the chunks are: concentration by borrower, and top names.

Only where the portfolio names borrowers (`Plan.by_borrower`). A chunk leaves the tally of its loans' exposures by
borrower beside that of its AccountIDs; a group brings them together in the same batches and ranges of keys; the last
step goes through the ranges and then looks the largest borrowers up by name. A loan without an ObligorID is a borrower
of its own. As with `duplicates`, of very many loans only a slice of the borrowers is added up.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from montecarlo.documents import Damaged
from montecarlo.errors import InvalidPortfolio
from montecarlo.model import sums
from montecarlo.model.credit import LoanRisks
from montecarlo.portfolio.loans import Loans, hash_ids, obligor_keys
from montecarlo.run import duplicates, groups, records
from montecarlo.run.plan import Plan
from montecarlo.run.tally import Keys, Tally
from montecarlo.simulation.trials import mix64
from montecarlo.source.reading import READERS
from montecarlo.storage import keys
from montecarlo.storage.store import NoSuchObject, Store

LARGEST = 10
"""Borrowers that a result names."""


@dataclass(frozen=True)
class Borrower:
    """One of the largest: its ObligorID, or the AccountID of a loan without one. exposure: cents."""

    name: str
    exposure: int
    loans: int


@dataclass(frozen=True)
class Borrowers:
    """Of the loans simulated. squares: the sum of squared exposures, cents. one_in: one borrower in so many was added
    up, and `number` and `squares` are scaled by it. largest: none where that is not all.
    """

    number: int
    squares: int
    one_in: int
    largest: tuple[Borrower, ...]


def check(plan: Plan, loans: Loans) -> None:
    """Raise InvalidPortfolio where loans name borrowers that the plan knows nothing of."""
    if not plan.by_borrower and loans.obligor_id.null_count < len(loans):
        raise InvalidPortfolio(
            "Some files have the column ObligorID, but not the first ones. Name it in the mapping, so that every file "
            "is asked for it, or add it to all files."
        )


def write_chunk(plan: Plan, group: int, chunk: int, risks: LoanRisks, store: Store) -> None:
    """Leave the tally of the chunk's exposures by borrower."""
    put_chunk(plan, group, chunk, next(Tally.of(mix64(risks.key), risks.exposure).split(plan.count_one_in, 1)), store)


def put_chunk(plan: Plan, group: int, chunk: int, tally: Tally, store: Store) -> None:
    """Write the tally of one chunk."""
    key = keys.chunk_obligors(plan.run, group, chunk)
    store.put(key, tally.to_bytes(duplicates.name_of(plan, group, chunk)))


def read_chunk(plan: Plan, group: int, chunk: int, store: Store) -> Tally:
    """The tally of one chunk. Raises IncompleteRun if it is missing, damaged or of another plan."""
    key = keys.chunk_obligors(plan.run, group, chunk)
    return duplicates.read_tally(store, key, duplicates.name_of(plan, group, chunk))


def reduce(plan: Plan, group: int, batches: Sequence[Sequence[int]], store: Store) -> None:
    """Bring the tallies of a group's chunks together, by ranges of keys. batches: the numbers of each one's chunks."""
    for batch, chunks in enumerate(batches):
        merged = Tally.merge(groups.ahead(lambda chunk: read_chunk(plan, group, chunk, store), chunks, READERS))
        for number, part in enumerate(merged.split(plan.count_one_in, plan.count_ranges)):
            key = keys.group_obligors(plan.run, group, batch, number)
            store.put(key, part.to_bytes(duplicates.name_of(plan, group, batch, number)))


def find(plan: Plan, store: Store) -> Borrowers:
    """The portfolio's borrowers. Raises IncompleteRun where a tally is missing."""
    number = squares = 0
    largest: list[tuple[int, int]] = []
    for part in range(plan.count_ranges):
        merged = Tally.merge(tally for _, tally in parts(plan, part, store))
        number += len(merged)
        squares += int(sums.exact(sums.squares(merged.amount, np.zeros(len(merged), np.intp), 1))[0])
        first = np.argsort(-merged.amount, kind="stable")[:LARGEST]
        found = zip(merged.amount[first].tolist(), merged.key[first].tolist(), strict=True)
        largest = nlargest(LARGEST, [*largest, *found])
    one_in = plan.count_one_in
    names = _largest(plan, [key for _, key in largest], store) if one_in * plan.sample == 1 else ()
    return Borrowers(number * one_in, squares * one_in, one_in, tuple(names))


def parts(
    plan: Plan, part: int, store: Store, place_of: Callable[[str, int, int, int], str] = keys.group_obligors
) -> Iterator[tuple[int, Tally]]:
    """Each group's tallies of one range of keys, with the group. place_of: makes their keys in the bucket."""
    counted = [duplicates.batches_of(plan, group, store).batches for group in range(plan.groups)]
    places = [(group, batch) for group, many in enumerate(counted) for batch in range(many)]

    def read(place: tuple[int, int]) -> Tally:
        key = place_of(plan.run, *place, part)
        return duplicates.read_tally(store, key, duplicates.name_of(plan, *place, part))

    for place, tally in zip(places, groups.ahead(read, places, READERS), strict=True):
        yield place[0], tally


def _largest(plan: Plan, wanted: Sequence[int], store: Store) -> list[Borrower]:
    """The borrowers of these keys by name, the largest first."""
    found = _find(plan, np.array(wanted, np.uint64), store)
    order = sorted(found, key=lambda one: (-found[one].exposure, one[1], one[0]))
    return [found[one] for one in order[:LARGEST]]


def named(plan: Plan, wanted: Keys, store: Store) -> dict[int, Borrower]:
    """The borrowers of these keys, by key; of several names that share one the first."""
    found = _find(plan, wanted, store)
    return {key: found[key, name] for key, name in sorted(found, reverse=True)}


def _find(plan: Plan, wanted: Keys, store: Store) -> dict[tuple[int, str], Borrower]:
    """The borrowers of these keys, by key and name: an account may be called like another loan's borrower."""
    wanted = np.sort(wanted)
    bounds = plan.count_one_in * plan.count_ranges
    there = {
        group
        for part in {int(key) * bounds >> 64 for key in wanted}
        for group, tally in parts(plan, part, store)
        if (tally.find(wanted) >= 0).any()
    }
    owed: dict[tuple[int, str], int] = {}
    loans: dict[tuple[int, str], int] = {}
    places = [
        (group, chunk) for group in sorted(there) for chunk in range(groups.planned_group(plan, group, store).chunks)
    ]
    for found, exposures in groups.ahead(lambda place: _matches(plan, *place, wanted, store), places, READERS):
        for one, exposure in zip(found, exposures, strict=True):
            owed[one] = owed.get(one, 0) + exposure
            loans[one] = loans.get(one, 0) + 1
    return {one: Borrower(one[1], owed[one], loans[one]) for one in owed}


def _matches(plan: Plan, group: int, chunk: int, wanted: Keys, store: Store) -> tuple[list[tuple[int, str]], list[int]]:
    """Key and name of the borrower, and the exposure in cents, of the chunk's loans to borrowers who are wanted."""
    if not (read_chunk(plan, group, chunk, store).find(wanted) >= 0).any():
        return [], []
    key = keys.chunk_loans(plan.run, group, chunk)
    try:
        table = pq.read_table(store.open(key), columns=["AccountID", "ObligorID", "Exposure"])
    except NoSuchObject as error:
        raise records.incomplete(error) from None
    except (pa.ArrowException, OSError) as error:
        raise records.incomplete(Damaged(f"{store.url(key)} is damaged ({type(error).__name__}).")) from None
    account, obligor = (table[name].combine_chunks() for name in ("AccountID", "ObligorID"))
    borrower = mix64(obligor_keys(obligor, hash_ids(account)))
    rows = np.flatnonzero(Tally(wanted, np.zeros(wanted.size, np.int64)).find(borrower) >= 0)
    names = pc.coalesce(obligor, account).take(pa.array(rows)).to_pylist()
    found = list(zip(borrower[rows].tolist(), names, strict=True))
    return found, np.rint(table["Exposure"].to_numpy()[rows] * 100).astype(np.int64).tolist()
