"""From one run's expected loss to another's, step by step and to the cent, loan by loan.

The steps change one thing after the other, in this order, and each is what the expected loss changes by:

    new         loans that only the second run has come in
    repaid      loans that only the first run has go
    exposure    each other loan owes what it owes in the second run: its EL in proportion
    pd          and defaults as likely: its EL in proportion
    lgd         and loses as much at default: the EL that it has in the second run's data
    parameters  all loans under the second run's model parameters
    scenarios   and in the second run's cases: the rates and shifts of the same name

A loan that owed nothing, or could not default, has no proportion: its whole change is the exposure's or the PD's. EL
is an integer of 2**-16 cents, as the engine has it, and so is each loan after each step (a proportion is rounded to
the nearest); sums are exact. What is shown is each sum rounded to a cent by the rule of result.json, and a step is the
difference of two: so the steps add up to the difference of the published figures, and `residual` says whether they do.

Of the loans, each run's `loans/` table has all that is needed. An AccountID that occurs several times is matched in the
order of exposure and EL.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from additive import tables
from montecarlo.documents import Damaged
from montecarlo.model.credit import FRACTION_BITS

if TYPE_CHECKING:
    import duckdb

STEPS = ("new", "repaid", "exposure", "pd", "lgd", "parameters", "scenarios")
"""In the order in which they are taken."""

_UNIT = 100 << FRACTION_BITS  # of EL in a currency unit
_PD = 1 << 32


@dataclass(frozen=True)
class Step:
    """What one step changes: `cents` of EL. loans: those of which it changes half a cent or more."""

    name: str
    cents: int
    loans: int


@dataclass(frozen=True)
class Mover:
    """A loan that changed much: its EL in both runs and what each step changed, in cents (rounded each by itself)."""

    account_id: str
    kind: str
    before: int
    after: int
    steps: Mapping[str, int]


@dataclass(frozen=True)
class Waterfall:
    """Of one case, in cents: `before` + all steps + `residual` = `after`, the runs' published expected losses."""

    case: str
    before: int
    after: int
    steps: tuple[Step, ...]
    residual: int
    movers: tuple[Mover, ...]


@dataclass(frozen=True)
class Books:
    """The `loans/` tables to compare. moved: the second run's loans under the first one's parameters and cases;
    remodelled: under its own parameters and the first one's cases. None where that makes no difference.
    """

    first: Sequence[Path]
    second: Sequence[Path]
    moved: Sequence[Path] | None = None
    remodelled: Sequence[Path] | None = None


def waterfalls(
    books: Books, cases: Sequence[str], published: Mapping[str, tuple[int, int]], one_in: int, top: int, scratch: Path
) -> list[Waterfall]:
    """One for each case. published: case -> both runs' EL in cents. one_in: of how many loans one was simulated.

    top: how many movers. Raises Damaged where a table lacks a column.
    """
    database = tables.connect(scratch)
    try:
        _join(database, books, cases)
        return [_of_case(database, case, number, published[case], one_in, top) for number, case in enumerate(cases)]
    except tables.error() as error:
        raise Damaged(f"the loans cannot be compared: {' '.join(str(error).split())}") from None
    finally:
        database.close()


def in_cents(amount: int, one_in: int = 1) -> int:
    """An exact sum in 2**-FRACTION_BITS cents as cents, rounded as result.json rounds it."""
    return round(round(amount * one_in / (1 << FRACTION_BITS) / 100, 2) * 100)


def _join(database: "duckdb.DuckDBPyConnection", books: Books, cases: Sequence[str]) -> None:
    """The table `loan`: all loans of both runs, each with its integers of every book."""
    sides = {"a": books.first, "b": books.second, "m": books.moved, "r": books.remodelled}
    there = {side: list(files) for side, files in sides.items() if files is not None}
    columns = ["exposure", *(f"{kind}{number}" for number in range(len(cases)) for kind in ("pd", "el"))]
    for side, files in there.items():
        read = ["CAST(round(Exposure * 100) AS HUGEINT) AS exposure"]
        for number, case in enumerate(cases):
            pd, el = tables.name(f"PD_{case}"), tables.name(f"ExpectedLoss_{case}")
            read.append(f"CAST(round({pd} * {_PD}) AS HUGEINT) AS pd{number}")
            read.append(f"CAST(round({el} * {_UNIT}) AS HUGEINT) AS el{number}")
        source = f"SELECT AccountID AS id, {', '.join(read)} FROM {tables.parquet(files)}"
        nth = "row_number() OVER (PARTITION BY id ORDER BY exposure, el0) AS nth"
        database.execute(f"CREATE TEMP VIEW {side} AS SELECT *, {nth} FROM ({source})")
    known = {"m": "m" if "m" in there else "b", "r": "r" if "r" in there else "b"}
    taken = [f"{known.get(side, side)}.{column} AS {side}_{column}" for side in sides for column in columns]
    joins = [f"LEFT JOIN {side} ON {side}.id = b.id AND {side}.nth = b.nth" for side in ("m", "r") if side in there]
    database.execute(
        f"CREATE TEMP TABLE loan AS SELECT coalesce(a.id, b.id) AS id, {', '.join(taken)} "
        f"FROM a FULL JOIN b ON a.id = b.id AND a.nth = b.nth {' '.join(joins)}"
    )


_STATES = """
    SELECT id, a_exposure IS NOT NULL AS in_a, b_exposure IS NOT NULL AS in_b,
        CASE WHEN in_a THEN a_el{n} ELSE 0 END AS s0,
        CASE WHEN in_a THEN a_el{n} ELSE m_el{n} END AS s1,
        CASE WHEN in_b THEN s1 ELSE 0 END AS s2,
        CASE WHEN NOT (in_a AND in_b) OR a_exposure = b_exposure THEN s2
             WHEN a_exposure = 0 THEN m_el{n}
             ELSE (2 * s2 * b_exposure + a_exposure) // (2 * a_exposure) END AS s3,
        CASE WHEN NOT (in_a AND in_b) OR a_pd{n} = m_pd{n} THEN s3
             WHEN a_pd{n} = 0 OR a_exposure = 0 THEN m_el{n}
             ELSE (2 * s3 * m_pd{n} + a_pd{n}) // (2 * a_pd{n}) END AS s4,
        CASE WHEN in_b THEN m_el{n} ELSE 0 END AS s5,
        CASE WHEN in_b THEN r_el{n} ELSE 0 END AS s6,
        CASE WHEN in_b THEN b_el{n} ELSE 0 END AS s7
    FROM loan"""


def _of_case(
    database: "duckdb.DuckDBPyConnection", case: str, number: int, published: tuple[int, int], one_in: int, top: int
) -> Waterfall:
    states = f"({_STATES.format(n=number)})"
    places = range(len(STEPS) + 1)
    sums = ", ".join(f"coalesce(sum(s{i}), 0)" for i in places)
    moved = ", ".join(f"count(*) FILTER (2 * abs(s{i + 1} - s{i}) >= {1 << FRACTION_BITS})" for i in places[:-1])
    found = database.execute(f"SELECT {sums}, {moved} FROM {states}").fetchone() or ()
    totals = [in_cents(int(total), one_in) for total in found[: len(places)]]
    steps = tuple(
        Step(name, after - before, int(loans))
        for name, before, after, loans in zip(STEPS, totals, totals[1:], found[len(places) :], strict=False)
    )
    before, after = published
    listed = ", ".join(f"s{i}" for i in places)
    largest = database.execute(
        f"SELECT id, in_a, in_b, {listed} FROM {states} WHERE s0 <> s7 ORDER BY abs(s7 - s0) DESC, id, s0 LIMIT {top:d}"
    ).fetchall()
    return Waterfall(
        case, before, after, steps, after - before - sum(step.cents for step in steps), tuple(map(_mover, largest))
    )


def _mover(row: Sequence[Any]) -> Mover:
    account_id, in_first, in_second, *states = row
    cents = [in_cents(int(state)) for state in states]
    kind = "changed" if in_first and in_second else "repaid" if in_first else "new"
    changes = {name: now - then for name, then, now in zip(STEPS, cents, cents[1:], strict=False) if now != then}
    return Mover(account_id, kind, cents[0], cents[-1], changes)
