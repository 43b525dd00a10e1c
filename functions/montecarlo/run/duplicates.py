"""AccountIDs that occur more than once in a portfolio, found whatever the chunks are.

Each such row is simulated, and the rows of one AccountID share their random numbers: that may be meant, as for several
loans to one borrower under one number, or a mistake that overstates the tail. So they are counted. A chunk leaves the
tally of its loans' keys, a group brings its chunks' together in ranges of keys, and the last step goes through the
ranges, one after the other. Two AccountIDs may have one 64-bit key: what the tally finds is compared by AccountID, from
the results by loan, before it counts. Of more than 100 million loans the keys of a slice are counted, by default, and
the total is estimated.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from montecarlo.documents import Damaged
from montecarlo.errors import IncompleteRun
from montecarlo.limits import BATCH_KEYS, EXACT_LOANS, RANGE_KEYS
from montecarlo.portfolio.loans import Loans, hash_ids
from montecarlo.run import groups, records
from montecarlo.run.plan import Plan
from montecarlo.run.tally import Keys, Tally
from montecarlo.simulation.trials import mix64
from montecarlo.source.reading import READERS
from montecarlo.storage import keys
from montecarlo.storage.store import NoSuchObject, Store

MOST_COMPARED = 100_000
"""Accounts that are compared by AccountID. Beyond them a collision of keys, at most one among them all, may count."""


def slice_of(loans: int, exact: bool) -> int:
    """Keys of one in so many are counted in a portfolio of about so many loans."""
    return 1 if exact else max(1, round(loans / EXACT_LOANS))


def ranges_of(loans: int, one_in: int) -> int:
    """In so many ranges of keys the portfolio is compared."""
    return max(1, math.ceil(loans / one_in / RANGE_KEYS))


@dataclass(frozen=True)
class Duplicates:
    """Rows whose AccountID another simulated row has, too, and the AccountIDs that they have, in the whole portfolio.

    Exact if one_in is 1; else estimated from one AccountID in so many, with a 95 % interval of the rows.
    """

    rows: int
    accounts: int
    share: float
    one_in: int
    interval_95: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        """As result.json has it."""
        return {**asdict(self), "exact": self.one_in == 1}


# ---------------------------------------------------------------------------------------------------------------------
# A chunk


def write_chunk(plan: Plan, group: int, chunk: int, loans: Loans, store: Store) -> None:
    """Leave the tally of the chunk's loans."""
    key = mix64(loans.key)
    put_chunk(plan, group, chunk, next(Tally.of(key).split(plan.count_one_in, 1)), store)


def put_chunk(plan: Plan, group: int, chunk: int, tally: Tally, store: Store) -> None:
    """Write the tally of one chunk."""
    store.put(keys.chunk_tally(plan.run, group, chunk), tally.to_bytes(name_of(plan, group, chunk)))


def read_chunk(plan: Plan, group: int, chunk: int, store: Store) -> Tally:
    """The tally of one chunk. Raises IncompleteRun if it is missing, damaged or of another plan."""
    return read_tally(store, keys.chunk_tally(plan.run, group, chunk), name_of(plan, group, chunk))


def name_of(plan: Plan, *place: int) -> str:
    """What a tally of the plan at this place is called in its file."""
    return " ".join(map(str, (plan.digest, *place)))


def read_tally(store: Store, key: str, name: str) -> Tally:
    """The tally of that name. Raises IncompleteRun if it is missing, damaged or another."""
    return records.read_binary(store, key, lambda content: Tally.from_bytes(content, name))


# ---------------------------------------------------------------------------------------------------------------------
# A group


@dataclass(frozen=True)
class Batches:
    """What a group left: `rows` in so many batches of chunks, each in the plan's ranges of keys.

    rows: the sum of all amounts, which are counts of rows; of no meaning where they are something else.
    """

    plan: str
    batches: int
    rows: int


def reduce(plan: Plan, group: int, chunks: int, store: Store) -> list[range]:
    """Bring the tallies of a group's chunks together, by ranges of keys. Returns the chunks of each batch."""
    batches: list[range] = []
    rows = 0
    for batch, tally in _batches(plan, group, chunks, store):
        for number, part in enumerate(tally.split(plan.count_one_in, plan.count_ranges)):
            key = keys.group_tally(plan.run, group, len(batches), number)
            store.put(key, part.to_bytes(name_of(plan, group, len(batches), number)))
        batches.append(batch)
        rows += int(tally.amount.sum())
    records.write_sealed(store, keys.group_tallies(plan.run, group), asdict(Batches(plan.digest, len(batches), rows)))
    return batches


def _batches(plan: Plan, group: int, chunks: int, store: Store) -> Iterator[tuple[range, Tally]]:
    """Consecutive chunks that are small enough together, with their sum."""
    waiting: list[Tally] = []
    start = 0
    tallies = groups.ahead(lambda chunk: read_chunk(plan, group, chunk, store), range(chunks), READERS)
    for number, tally in enumerate(tallies, start=1):
        waiting.append(tally)
        if sum(tally.amount.size for tally in waiting) >= BATCH_KEYS or number == chunks:
            yield range(start, number), Tally.merge(waiting)
            waiting, start = [], number


# ---------------------------------------------------------------------------------------------------------------------
# The portfolio


@dataclass
class Found:
    """Keys that occur more than once: how many rows and accounts they are, and the first of them with their groups."""

    rows: int = 0
    accounts: int = 0
    squares: int = 0
    """Sum over accounts of their rows squared."""
    keys: Keys = field(default_factory=lambda: np.zeros(0, np.uint64))
    groups: set[int] = field(default_factory=set)


def find(plan: Plan, simulated: int, store: Store) -> tuple[Duplicates, pa.Table]:
    """The portfolio's duplicates, and a table of AccountIDs with their rows: all of them, up to MOST_COMPARED.

    simulated: loans. Raises IncompleteRun where a tally is missing, or not all loans are in them.
    """
    counted = [batches_of(plan, group, store) for group in range(plan.groups)]
    rows = sum(batches.rows for batches in counted)
    if rows > simulated or (plan.count_one_in == 1 and rows != simulated):
        raise IncompleteRun(f"the AccountIDs of {rows:,} loans were counted, but {simulated:,} were simulated.")
    found = Found()
    for number in range(plan.count_ranges):
        _search(plan, [batches.batches for batches in counted], number, found, store)
    table = _compare(plan, found, store)
    return scaled(found, plan, simulated), table


def batches_of(plan: Plan, group: int, store: Store) -> Batches:
    """What the group left. Raises IncompleteRun if it is missing, damaged or of another plan."""
    key = keys.group_tallies(plan.run, group)
    try:
        batches = records.read_sealed(store, key, Batches)
    except (NoSuchObject, Damaged) as error:
        raise records.incomplete(error) from None
    if batches.plan != plan.digest:
        raise IncompleteRun(f"{store.url(key)} is of another plan: start the run again under its name.")
    return batches


def _search(plan: Plan, batches: Sequence[int], number: int, found: Found, store: Store) -> None:
    """Add what occurs more than once in one range of keys."""
    places = [(group, batch) for group, many in enumerate(batches) for batch in range(many)]

    def read(place: tuple[int, int]) -> Tally:
        return read_tally(store, keys.group_tally(plan.run, *place, number), name_of(plan, *place, number))

    tallies = list(groups.ahead(read, places, READERS))
    merged = Tally.merge(tallies)
    repeated = merged.amount > 1
    if not repeated.any():
        return
    key, amount = merged.key[repeated], merged.amount[repeated]
    found.rows += int(amount.sum())
    found.accounts += key.size
    found.squares += int((amount * amount).sum())
    first = key[: MOST_COMPARED - found.keys.size]
    found.keys = np.concatenate([found.keys, first])
    found.groups |= {group for (group, _), tally in zip(places, tallies, strict=True) if (tally.find(first) >= 0).any()}


def _compare(plan: Plan, found: Found, store: Store) -> pa.Table:
    """Compare what was found by AccountID, and take out of the sums what only shares a key."""
    texts: list[Counter[str]] = [Counter() for _ in range(found.keys.size)]
    places = [
        (group, chunk)
        for group in sorted(found.groups)
        for chunk in range(groups.planned_group(plan, group, store).chunks)
    ]
    for accounts, which in groups.ahead(lambda place: _matches(plan, *place, found.keys, store), places, READERS):
        for account, number in zip(accounts, which, strict=True):
            texts[number][account] += 1
    names: list[str] = []
    rows: list[int] = []
    for counter in texts:
        by_key, repeated = sum(counter.values()), {name: n for name, n in counter.items() if n > 1}
        found.rows += sum(repeated.values()) - by_key
        found.accounts += len(repeated) - 1
        found.squares += sum(n * n for n in repeated.values()) - by_key**2
        names += repeated.keys()
        rows += repeated.values()
    return pa.table({"AccountID": pa.array(names, pa.string()), "rows": pa.array(rows, pa.int64())})


def _matches(plan: Plan, group: int, chunk: int, wanted: Keys, store: Store) -> tuple[list[str], list[int]]:
    """The AccountIDs of the chunk whose key is wanted, each with the position of its key."""
    there = read_chunk(plan, group, chunk, store).find(wanted) >= 0
    if not there.any():
        return [], []
    key = keys.chunk_loans(plan.run, group, chunk)
    try:
        ids = pq.read_table(store.open(key), columns=["AccountID"])["AccountID"].combine_chunks()
    except NoSuchObject as error:
        raise records.incomplete(error) from None
    except (pa.ArrowException, OSError) as error:
        raise records.incomplete(Damaged(f"{store.url(key)} is damaged ({type(error).__name__}).")) from None
    place = Tally(wanted, np.zeros(wanted.size, np.int64)).find(mix64(hash_ids(ids)))
    rows = np.flatnonzero(place >= 0)
    return ids.take(pa.array(rows)).to_pylist(), place[rows].tolist()


def scaled(found: Found, plan: Plan, simulated: int) -> Duplicates:
    """What was found among the keys that were counted, as of the whole portfolio."""
    one_in = plan.count_one_in * plan.sample
    return Duplicates(
        rows=found.rows * one_in,
        accounts=found.accounts * one_in,
        share=found.rows * plan.count_one_in / simulated,
        one_in=one_in,
        interval_95=_interval(found.rows, found.squares, one_in),
    )


def _interval(rows: int, squares: int, one_in: int) -> tuple[int, int]:
    """A 95 % interval for the rows, where one AccountID in so many was looked at.

    Accounts are found independently of each other, so that the rows found are compound Poisson: as a Poisson number of
    rows**2 / squares accounts of squares / rows rows each, whose interval is Byar's approximation of the exact one
    (Breslow and Day 1987). Where none was found, accounts of two rows are assumed.
    """
    if one_in == 1:
        return rows, rows
    size, number = (squares / rows, rows * rows / squares) if rows else (2.0, 0.0)
    low = number * (1 - 1 / (9 * number) - 1.96 / (3 * math.sqrt(number))) ** 3 if number else 0.0
    high = (number + 1) * (1 - 1 / (9 * (number + 1)) + 1.96 / (3 * math.sqrt(number + 1))) ** 3
    return max(rows, math.floor(low * size * one_in)), math.ceil(high * size * one_in)
