"""A portfolio's way from the bucket to its loans, as the functions take it, for portfolios that mean no good."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from montecarlo.errors import MonteCarloError
from montecarlo.portfolio.dialect import PLAIN, Dialect
from montecarlo.portfolio.loans import Loans, validate
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.portfolio.rejects import Reject
from montecarlo.source.cutting import slices
from montecarlo.source.grouping import pack
from montecarlo.source.listing import find_objects, group_objects
from montecarlo.source.objects import Slice
from montecarlo.source.reading import read_slices
from tests.memory_s3 import MemoryS3, memory_store

SEGMENTS = ("personal", "auto", "mortgage")
AS_OF = date(2026, 1, 1)


@dataclass(frozen=True)
class Outcome:
    """What came out of a portfolio: each chunk's loans, all rejects by file and row, and rows filtered out."""

    chunks: list[Loans]
    rejects: list[Reject]
    filtered: int = 0

    @property
    def rows(self) -> int:
        return sum(map(len, self.chunks)) + len(self.rejects) + self.filtered

    def loans(self) -> dict[str, tuple[Any, ...]]:
        """Every number of every loan, to the bit, by AccountID."""
        names = ("rate", "payment", "loan_amount", "balance", "income", "term", "age", "region", "segment", "floating")
        return {
            account: tuple(getattr(loans, name)[i].tobytes() for name in (*names, "pd", "lgd", "ead", "key"))
            for loans in self.chunks
            for i, account in enumerate(loans.account_id.to_pylist())
        }


def plan(
    s3: MemoryS3, source: str = "loans/", chunk_loans: int = 50_000, dialect: Dialect = PLAIN
) -> list[list[Slice]]:
    """The chunks of a portfolio, through JSON as the functions hand them on."""
    store, _ = memory_store(s3)
    documents = [
        json.loads(json.dumps(group)) for group, _ in find_objects(store, source).groups(chunk_loans, lambda chunks: 3)
    ]
    chunks = [
        chunk
        for document in documents
        for chunk in pack(slices(group_objects(document, store), store, chunk_loans, dialect), chunk_loans)
    ]
    return [[Slice.from_json(json.loads(json.dumps(piece.to_json()))) for piece in chunk] for chunk in chunks]


def read(s3: MemoryS3, chunks: list[list[Slice]], mapping: ColumnMapping | None = None) -> Outcome:
    """The loans and rejects of the chunks."""
    store, _ = memory_store(s3)
    mapping = mapping or ColumnMapping()
    raw = [read_slices(chunk, store, mapping) for chunk in chunks]
    done = [validate(rows, mapping, SEGMENTS, AS_OF) for rows in raw]
    rejects = [reject for _, rejects in done for reject in rejects]
    return Outcome([loans for loans, _ in done], rejects, sum(rows.filtered for rows in raw))


def outcome(files: dict[str, bytes], mapping: ColumnMapping | None = None, chunk_loans: int = 50_000) -> Outcome:
    """What becomes of a portfolio of these files."""
    s3 = MemoryS3()
    s3.objects |= {f"loans/{name}": data for name, data in files.items()}
    return read(s3, plan(s3, chunk_loans=chunk_loans, dialect=(mapping or ColumnMapping()).dialect), mapping)


def refusal_of(action: Callable[[], object]) -> str | None:
    """What an error of ours says to the action, None where there is none; any other error goes on."""
    try:
        action()
    except MonteCarloError as error:
        return str(error)
    return None
