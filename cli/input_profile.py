"""What a portfolio holds, read as a run reads it and before anything is simulated."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import Any

from montecarlo.model.cases import Case
from montecarlo.model.credit import loan_risks
from montecarlo.model.parameters import Parameters
from montecarlo.model.tables import model_tables
from montecarlo.portfolio.loans import validate
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.portfolio.rejects import Reject
from montecarlo.run import plausibility
from montecarlo.run.input_profile import InputProfile
from montecarlo.source.cutting import slices
from montecarlo.source.objects import InputObject
from montecarlo.source.reading import read_slice
from montecarlo.storage.store import Store

CHUNK = 50_000
EXAMPLES = 5


@dataclass
class PortfolioProfile:
    """What a portfolio holds: the profile that a run's result has of it, and beside it what is wrong with its rows."""

    as_of: date
    segments: tuple[str, ...]
    loans: InputProfile
    files: int = 0
    filtered: int = 0
    rejected: dict[str, Counter[str]] = field(default_factory=dict)
    """By reason, how often each offending value came."""
    places: dict[str, list[str]] = field(default_factory=dict)
    """By reason, the first places: file and row."""

    @property
    def rejects(self) -> int:
        """Rows that cannot be simulated."""
        return sum(counter.total() for counter in self.rejected.values())

    def to_json(self) -> dict[str, Any]:
        """As `input` in result.json."""
        return self.loans.to_json(self.segments)

    def warnings(self) -> list[str]:
        """What is hardly meant."""
        return plausibility.warnings(self.to_json(), self.as_of.isoformat())


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
    profile = PortfolioProfile(as_of, names, InputProfile.empty(len(names)))
    base = Case("base", parameters.base_fed_rate, {})
    tables = model_tables(parameters, [base])

    def counted() -> Iterator[InputObject]:
        for item in objects:
            profile.files += 1
            yield item

    for piece in islice(slices(counted(), store, CHUNK, mapping.dialect), most_chunks):
        rows = read_slice(piece, store, mapping)
        loans, rejects = validate(rows, mapping, tuple(names), as_of, parameters.named_sectors)
        profile.filtered += rows.filtered
        _count_rejects(profile, rejects)
        profile.loans.add(InputProfile.of(loans, loan_risks(loans, parameters, [base], tables), len(names)))
    return profile


def _count_rejects(profile: PortfolioProfile, rejects: Iterable[Reject]) -> None:
    for reject in rejects:
        profile.rejected.setdefault(reject.reason, Counter())[reject.value] += 1
        places = profile.places.setdefault(reject.reason, [])
        if len(places) < EXAMPLES:
            places.append(f"{reject.file}, row {reject.row:,}")
