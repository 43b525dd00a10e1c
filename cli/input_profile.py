"""What a portfolio holds, read as a run reads it and before anything is simulated."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cli.screen import counted
from montecarlo.limits import EXACT_LOANS
from montecarlo.model.cases import Case
from montecarlo.model.credit import loan_risks
from montecarlo.model.parameters import Parameters
from montecarlo.model.tables import model_tables
from montecarlo.portfolio.loans import Loans, validate
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.portfolio.rejects import Reject
from montecarlo.run import plausibility
from montecarlo.run.input_profile import InputProfile
from montecarlo.simulation.trials import mix64
from montecarlo.source.cutting import slices
from montecarlo.source.objects import InputObject
from montecarlo.source.reading import read_slice
from montecarlo.storage.store import Store

CHUNK = 50_000
EXAMPLES = 5
NAMED_LOANS = 5_000_000
"""Of the first so many loans the AccountIDs are kept, so that those that occur twice can be named."""


class Accounts:
    """How often AccountIDs occur, by their keys; in a large portfolio only those below a bound count, as in a run."""

    def __init__(self) -> None:
        self.loans, self.one_in = 0, 1
        self._keys: list[NDArray[np.uint64]] = []
        self._names: list[tuple[NDArray[np.uint64], pa.Array]] = []

    def add(self, loans: Loans) -> None:
        """Take in a chunk's."""
        key = mix64(loans.key)
        self.loans += len(loans)
        if self.loans <= NAMED_LOANS:
            self._names.append((key, loans.account_id))
        self._keys.append(self._kept(key))
        while sum(map(len, self._keys)) > EXACT_LOANS:
            self.one_in *= 2
            self._keys = [self._kept(np.concatenate(self._keys))]

    def _kept(self, key: NDArray[np.uint64]) -> NDArray[np.uint64]:
        return key[key <= np.uint64((1 << 64) // self.one_in - 1)]

    @property
    def repeated(self) -> tuple[int, int, list[str]]:
        """Rows whose AccountID another loan's row has, too; the AccountIDs that they have; and the first of these."""
        unique, count = np.unique(np.concatenate([*self._keys, np.zeros(0, np.uint64)]), return_counts=True)
        wanted, count = unique[count > 1], count[count > 1]
        names: Counter[str] = Counter()
        for key, account in self._names if wanted.size else ():
            names.update(account.filter(pa.array(np.isin(key, wanted))).to_pylist())
        twice = {name: rows for name, rows in names.items() if rows > 1}
        rows, accounts = int(count.sum()) * self.one_in, wanted.size * self.one_in
        if self.loans <= NAMED_LOANS:  # all are known by name, so that a key that two of them share does not count
            rows, accounts = sum(twice.values()), len(twice)
        return rows, accounts, [*twice][:EXAMPLES]


@dataclass
class PortfolioProfile:
    """What a portfolio holds: the profile that a run's result has of it, and beside it what is wrong with its rows."""

    as_of: date
    mapping: ColumnMapping
    parameters: Parameters
    loans: InputProfile
    files: int = 0
    filtered: int = 0
    rejected: dict[str, Counter[str]] = field(default_factory=dict)
    """By reason, how often each offending value came."""
    places: dict[str, list[str]] = field(default_factory=dict)
    """By reason, the first places: file and row."""
    accounts: Accounts = field(default_factory=Accounts)

    @property
    def rejects(self) -> int:
        """Rows that cannot be simulated."""
        return sum(counter.total() for counter in self.rejected.values())

    def to_json(self) -> dict[str, Any]:
        """As `input` in result.json."""
        return self.loans.to_json(tuple(self.parameters.segments))

    def warnings(self) -> list[str]:
        """What is hardly meant."""
        found = plausibility.warnings(self.to_json(), self.as_of.isoformat())
        found += plausibility.unused_sectors(self.parameters, self.loans.sectors)
        found += plausibility.unused_grades(self.mapping, self.to_json())
        rows, accounts, names = self.accounts.repeated
        if rows:
            among = f", {', '.join(names)} among them" if names else ""
            found.append(
                f"{rows:,} rows have an AccountID that another row has, too ({counted(accounts, 'AccountID')}{among}): "
                "in every scenario they default together. Loans of one borrower are better told by ObligorID."
            )
        return found


def of_portfolio(
    store: Store,
    objects: Iterable[InputObject],
    mapping: ColumnMapping,
    parameters: Parameters,
    as_of: date,
    most_chunks: int | None = None,
) -> PortfolioProfile:
    """Read the portfolio, or its first chunks only, and profile it. Raises InvalidPortfolio where it cannot be read."""
    names = tuple(parameters.segments)
    profile = PortfolioProfile(as_of, mapping, parameters, InputProfile.empty(len(names)))
    base = Case("base", parameters.base_fed_rate, {})
    tables = model_tables(parameters, [base])

    def counted() -> Iterator[InputObject]:
        for item in objects:
            profile.files += 1
            yield item

    for piece in islice(slices(counted(), store, CHUNK, mapping.dialect), most_chunks):
        rows = read_slice(piece, store, mapping)
        loans, rejects = validate(rows, mapping, names, as_of, parameters.named_sectors, parameters.staging)
        profile.filtered += rows.filtered
        _count_rejects(profile, rejects)
        profile.accounts.add(loans)
        profile.loans.add(InputProfile.of(loans, loan_risks(loans, parameters, [base], tables), len(names)))
    return profile


def _count_rejects(profile: PortfolioProfile, rejects: Iterable[Reject]) -> None:
    for reject in rejects:
        profile.rejected.setdefault(reject.reason, Counter())[reject.value] += 1
        places = profile.places.setdefault(reject.reason, [])
        if len(places) < EXAMPLES:
            places.append(f"{reject.file}, row {reject.row:,}")
