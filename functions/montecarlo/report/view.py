"""result.json, parsed once into what the report and the terminal show. Imports errors, a default, document and words.

A result may come from an older or later version of schema 1: any key may be missing or null, which reads as None or
empty, and others may be there. A value of another type than the schema's is damage and refused.

Names of runs, cases, segments and reject reasons stay as they are: whoever writes them out makes them harmless there.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from montecarlo.errors import InvalidResult
from montecarlo.model.parameters import BENCHMARK_RATE
from montecarlo.report.document import REMEDY, Node, check_depth, is_number, number_at, parsed, wrong
from montecarlo.report.words import MISSING, Currency

SCHEMA = 1
Path = tuple[str, ...]
"""Where a figure stands in a case: ("el",), ("var", "99.9")."""

SINGLE = ("fed_rate", "mean_pd", "el", "ul", "worst", "capital")
BY_LEVEL = ("var", "es", "economic_capital")
ECL = ("twelve_month", "lifetime", "allowance")
APART = (
    "standard_error", "interval_95", "convergence", "effective_sample_size", "segments", "regions", "not_applicable",
    "dimensions", "probit_shift", "collateral_shift", "probability", "el_check", "analytic_el", "change",
)  # fmt: skip
"""Keys of a case that are no figures of their own, or another name of one."""

INAPPLICABLE = {("ecl", "lifetime"): "lifetime_ecl", ("ecl", "allowance"): "allowance"}
"""Figures that do not hold for every loan, with their names in `not_applicable`."""

THINNED = ("el", "var_99.9", "es_99.9")
"""What the convergence table estimates."""

CONTRIBUTION_LEVEL = 99
"""That of results that do not tell theirs, in percent."""

LEVEL = re.compile(r"[0-9]{1,2}(\.[0-9]{1,6})?")
"""A level in percent, such as 99.9."""

ISO_CODE = re.compile("[A-Z]{3}")


@dataclass(frozen=True)
class Figure:
    """A figure of a case and its 95 % interval, if known.

    undetermined: whether the sample was too small for an interval. inapplicable: the number of loans that the figure
    cannot be told for, and which it leaves out.
    """

    value: float | None
    interval: tuple[float, float] | None = None
    undetermined: bool = False
    inapplicable: float = 0


@dataclass(frozen=True)
class ElCheck:
    """EL as simulated, beside the one computed loan by loan.

    agrees: whether chance explains the difference, which is so many standard errors; None where that cannot be told.
    """

    simulated: float | None
    errors_apart: float | None
    agrees: bool | None


@dataclass(frozen=True)
class ThinnedEstimates:
    """What some of the scenarios would have told: by name, a value and its standard error, if known."""

    scenarios: float
    estimates: Mapping[str, tuple[float, float | None]]


@dataclass(frozen=True)
class PartLosses:
    """What a segment, region or value loses in a case, in currency units; contributions at the result's level."""

    el: Figure = Figure(None)
    var_contribution: Figure = Figure(None)
    es_contribution: Figure = Figure(None)
    capital: Figure = Figure(None)
    twelve_month_ecl: Figure = Figure(None)
    lifetime_ecl: Figure = Figure(None)


@dataclass(frozen=True)
class CaseView:
    """One case of the result, e.g. base or stressed. `index` picks its colour; the others are compared with case 0.

    rate_name: what the rate is called that the cases differ in.
    collateral_shift: by which share each segment's collateral is worth more or less.
    probit_shift: what the case adds to the default thresholds of each segment's loans, in probits; None in results
    that do not tell.
    probability: the case's weight in the expected credit losses of all cases; None where cases have none.
    changes: how figures differ from the first case's, each with the interval of the difference.
    further: numbers that a later version adds. effective_sizes: numbers of scenarios by level in percent, or "all".
    thinned: most scenarios first.
    """

    name: str
    index: int
    rate_name: str
    probit_shift: Mapping[str, float] | None
    collateral_shift: Mapping[str, float]
    probability: float | None
    figures: Mapping[Path, Figure]
    changes: Mapping[Path, Figure]
    el_check: ElCheck | None
    further: Mapping[Path, float]
    effective_sizes: Mapping[str, float]
    thinned: Sequence[ThinnedEstimates]
    segments: Mapping[str, PartLosses]
    regions: Mapping[str, PartLosses]
    dimensions: Mapping[str, Mapping[str, PartLosses]]

    def figure(self, path: Path) -> Figure:
        """The figure there; one without a value where the case has none."""
        return self.figures.get(path, Figure(None))


@dataclass(frozen=True)
class Holding:
    """What a segment, region or value holds: number of loans, exposure in currency units."""

    loans: float | None = None
    exposure: float | None = None


@dataclass(frozen=True)
class Concentration:
    """Herfindahl-Hirschman indices of the exposure."""

    by_loan: float | None
    by_segment: float | None
    by_region: float | None


@dataclass(frozen=True)
class BorrowerView:
    """One borrower: exposure in currency units, its share of the portfolio's, number of loans."""

    name: str
    exposure: float | None
    share: float | None
    loans: float | None


@dataclass(frozen=True)
class BorrowersView:
    """The borrowers of a portfolio that names them.

    index: Herfindahl-Hirschman index of the exposure. one_in: one borrower in so many was added up, and the figures are
    scaled by it. largest: the largest first; none where they are not known.
    """

    number: float | None
    index: float | None
    one_in: float
    largest: Sequence[BorrowerView]


@dataclass(frozen=True)
class ContributionView:
    """What a loan or a borrower, or all others together, contribute: amounts in currency units.

    kind: a loan's segment. loans: a borrower's, or of all others what they are. share: of the ES. error: the standard
    error of the contribution to ES.
    """

    name: str
    kind: str | None
    loans: float | None
    exposure: float | None
    es: float | None
    capital: float | None
    share: float | None
    error: float | None


@dataclass(frozen=True)
class ContributionsView:
    """Of one case: ES and economic capital, the loans and the borrowers that contribute most, and all others.

    level: in percent. borrowers: empty where they are not known, and `other_borrowers` None.
    """

    level: str
    es: float | None
    capital: float | None
    loans: Sequence[ContributionView]
    others: ContributionView
    borrowers: Sequence[ContributionView]
    other_borrowers: ContributionView | None


@dataclass(frozen=True)
class SegmentThere:
    """A segment's exposure, and what it is expected to lose in an average economy and there, in currency units."""

    exposure: float | None
    average: float | None
    there: float | None

    @property
    def times(self) -> float | None:
        """How many times as much as in an average economy; None where that cannot be told."""
        return self.there / self.average if self.there is not None and self.average else None


@dataclass(frozen=True)
class EconomyView:
    """The nearest economy that costs an amount, in one case: its distance in standard deviations, None where there is
    none; the probability of one at least as far in its direction; the sectors' factors and what the segments lose
    there. average, el, most: expected in an average economy, over all economies, and the most within reach.
    """

    fed_rate: float | None
    el: float | None
    average: float | None
    most: float | None
    shift: float | None
    probability: float | None
    sectors: Mapping[str, float]
    segments: Mapping[str, SegmentThere]


@dataclass(frozen=True)
class ReverseStressView:
    """Which economy costs an amount, in each case. loss: the amount, in currency units."""

    loss: float | None
    is_capital_available: bool
    currency: Currency
    rate_name: str
    cases: Mapping[str, EconomyView]


@dataclass(frozen=True)
class DimensionView:
    """What the values of a dimension hold. told: whether there are "all" values, the "largest" of all, or of "some"."""

    told: str | None
    values: Mapping[str, Holding]


@dataclass(frozen=True)
class PortfolioView:
    """Which portfolio it was and what it holds.

    digest: of the portfolio's objects: their names, sizes and ETags. mapping: how its columns were read, as given.
    regions_told: None where regions are those of ZIP codes, else as `DimensionView.told`, of a column's values.
    filter: the request's, as JSON; empty where it has none.
    """

    source: str | None
    digest: str | None
    mapping: Mapping[str, Any]
    as_of: str | None
    concentration: Concentration
    borrowers: BorrowersView | None
    segments: Mapping[str, Holding]
    regions: Mapping[str, Holding]
    regions_told: str | None
    dimensions: Mapping[str, DimensionView]
    filter: str = ""


@dataclass(frozen=True)
class InputView:
    """What the loans are like: by column, numbers by their names in result.json; and what of it is hardly meant."""

    columns: Mapping[str, Mapping[str, float | None]]
    risks: Mapping[str, Mapping[str, float | None]]
    """By segment, mean PD and LGD, weighted with the exposure."""
    bands: Sequence[Mapping[str, float | None]]
    """Bands of PD: where each begins, its loans, exposure and mean PD."""
    warnings: Sequence[str]


@dataclass(frozen=True)
class RowCounts:
    """Rows of the portfolio: read = simulated + rejected + not sampled + filtered, where the mapping has a filter."""

    read: float | None
    simulated: float | None
    rejected: float | None
    not_sampled: float | None
    filtered: float | None = None


@dataclass(frozen=True)
class DuplicatesView:
    """Rows whose AccountID another row has: number, share of all loans, and the 95 % interval of an estimated number.

    interval: None where all rows were compared.
    """

    rows: float | None
    share: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Sampling:
    """How scenarios were drawn ("mixture" or "plain"), and loans: one in so many, and the relative error it adds."""

    method: str | None
    one_in: float
    relative_error: float | None


@dataclass(frozen=True)
class WavesView:
    """Waves of scenarios, the precision asked for and the one reached. reached: None where nothing was asked."""

    count: float | None
    target_measure: str
    target_error: float | None
    relative_error: float | None
    reached: bool | None


@dataclass(frozen=True)
class SourceView:
    """The run whose scenarios these are, if not its own: how many waves they are; and what they tell of the tail, in
    equally likely scenarios, beside what scenarios of its own would.
    """

    run: str | None
    waves: float | None
    pinned: float | None
    own: float | None


@dataclass(frozen=True)
class CombinedView:
    """The sum of runs that the result is. expression: A + B - C; None of a run that was simulated. not_told: figures
    that sums of runs do not have, and why.
    """

    expression: str | None
    not_told: Mapping[str, str]


@dataclass(frozen=True)
class EarlierView:
    """A run that this one compares with. cases: by name, each figure by its path, in currency units."""

    run: str
    as_of: str | None
    currency: str | None
    loans: float | None
    exposure: float | None
    cases: Mapping[str, Mapping[Path, float]]


@dataclass(frozen=True)
class CostView:
    """What the run cost. figures: single values by key; the rest by item."""

    figures: Mapping[str, float | str]
    usd_by_item: Mapping[str, float | None]
    requests: Mapping[str, float | None]
    prices: Mapping[str, str]


@dataclass(frozen=True)
class ReusedView:
    """The run whose chunks were taken over, and how many, `of` so many."""

    run: str
    chunks: float | None
    of: float | None


@dataclass(frozen=True)
class ResultView:
    """A run's result. Amounts are in currency units; `parameters` are as they are in the file.

    contribution_level: that of the parts' contributions to VaR and ES, in percent.
    produced: date and time, ISO 8601. capital_available: what the tail is held against.
    """

    run: str
    institution: str | None
    portfolio_name: str | None
    capital_available: float | None
    produced: str | None
    earlier: EarlierView | None
    seed: int | None
    scenarios: float | None
    exposure: float | None
    currency: Currency
    contribution_level: str
    cases: Sequence[CaseView]
    portfolio: PortfolioView
    rows: RowCounts
    input: InputView
    weighted_ecl: Mapping[str, float]
    rejected_by_reason: Mapping[str, float | None]
    duplicates: DuplicatesView
    sampling: Sampling
    waves: WavesView
    source: SourceView
    combined: CombinedView
    parameters: Mapping[str, Any]
    versions: Mapping[str, str]
    timings: Mapping[str, float | str]
    cost: CostView
    contributions: Mapping[str, ContributionsView]
    """By case; empty where the run was not asked for them."""
    reused: ReusedView | None = None
    reverse_stress: ReverseStressView | None = None
    has_reverse_stress: bool = False
    """Whether it was asked for; then None says that it is not known."""

    @classmethod
    def read(cls, content: str | bytes) -> "ResultView":
        """From the text of result.json. Raises InvalidResult where it is no JSON or no result of schema 1."""
        return cls.of(parsed(content))

    @classmethod
    def of(cls, result: Any) -> "ResultView":
        """From result.json as parsed by `json`. Raises InvalidResult that names the key and what is wrong with it."""
        check_depth(result)
        root = Node.at(result, "")
        if root.number("schema") != SCHEMA:
            raise InvalidResult(
                f"result.json is not of schema {SCHEMA}, the only one that this version reads: use the version of the"
                " project that made it."
            )
        sampling, waves = root.child("sampling"), root.child("waves")
        source, versions = root.child("scenarios_from"), root.child("versions")
        sizes = source.child("tail_sample_size")
        seed = root.number("seed")
        rate_name = root.child("parameters").text("benchmark_rate") or BENCHMARK_RATE
        level = f"{root.number('contribution_level') or CONTRIBUTION_LEVEL:g}"
        return cls(
            run=root.text("run") or "",
            institution=root.text("institution"),
            portfolio_name=root.text("portfolio_name"),
            capital_available=root.number("capital_available"),
            produced=root.child("timings").text("produced"),
            earlier=earlier_of(root.child("compared")) if root.value.get("compared") else None,
            seed=None if seed is None else int(root.value["seed"]),
            scenarios=root.number("scenarios"),
            exposure=root.number("exposure"),
            currency=currency_of(root),
            contribution_level=level,
            cases=[
                case_view(name, index, node, level, rate_name)
                for index, (name, node) in enumerate(root.child("cases").children())
            ],
            portfolio=portfolio_view(root.child("portfolio"), versions),
            rows=RowCounts(
                *(
                    root.child("loans").number(key)
                    for key in ("read", "simulated", "rejected", "not_sampled", "filtered")
                )
            ),
            input=input_of(root.child("input")),
            weighted_ecl={
                name: value for name, value in root.child("weighted_ecl").numbers().items() if value is not None
            },
            rejected_by_reason=root.child("rejected_by_reason").numbers(),
            duplicates=duplicates_of(root.child("duplicates")),
            sampling=Sampling(
                sampling.text("method"), sampling.number("one_in") or 1.0, sampling.number("relative_error")
            ),
            waves=WavesView(
                waves.number("count"),
                waves.text("target_measure") or "",
                waves.number("target_error"),
                waves.number("relative_error"),
                waves.flag("reached"),
            ),
            source=SourceView(source.text("run"), source.number("waves"), sizes.number("pinned"), sizes.number("own")),
            combined=CombinedView(
                root.child("combined").text("expression"), root.child("combined").child("not_told").texts()
            ),
            parameters=root.child("parameters").value,
            versions=Node(
                {key: value for key, value in versions.value.items() if key not in ("portfolio", "mapping")}, "versions"
            ).texts(),
            timings={key: value for key, value in root.child("timings").record().items() if key != "produced"},
            cost=cost_view(root.child("cost")),
            contributions=contributions_of(root.child("contributions")),
            reused=reused_of(root.child("reused")) if "reused" in root.value else None,
            reverse_stress=(
                reverse_stress_of(root.child("reverse_stress"), currency_of(root), rate_name)
                if root.value.get("reverse_stress")
                else None
            ),
            has_reverse_stress="reverse_stress" in root.value,
        )


def reused_of(reused: Node) -> ReusedView:
    """The chunks that were taken over."""
    return ReusedView(reused.text("run") or "", reused.number("chunks"), reused.number("of"))


def reverse_stress_of(
    found: Node, currency: Currency, rate_name: str, is_capital_available: bool = True
) -> ReverseStressView:
    """The nearest economies, as result.json has them, and `montecarlo reverse-stress --json`."""
    return ReverseStressView(
        found.number("loss"),
        is_capital_available,
        currency,
        rate_name,
        {name: economy_of(case) for name, case in found.child("cases").children()},
    )


def economy_of(case: Node) -> EconomyView:
    """The nearest economy of one case."""
    factors = case.child("sectors").numbers()
    return EconomyView(
        fed_rate=case.number("fed_rate"),
        el=case.number("el"),
        average=case.number("loss_in_average_economy"),
        most=case.number("most"),
        shift=case.number("shift"),
        probability=case.number("probability"),
        sectors={name: factor for name, factor in factors.items() if factor is not None},
        segments={
            name: SegmentThere(
                segment.number("exposure"), segment.number("loss_in_average_economy"), segment.number("loss")
            )
            for name, segment in case.child("segments").children()
        },
    )


def currency_of(result: Node) -> Currency:
    """The portfolio's currency; results that name none are in US dollars."""
    code = result.text("currency")
    if code is not None and not ISO_CODE.fullmatch(code):
        raise InvalidResult(f"result.json: currency must be an ISO code such as EUR. {REMEDY}")
    return Currency(code or "USD")


def case_view(name: str, index: int, case: Node, contribution_level: str, rate_name: str) -> CaseView:
    """One of the cases."""
    paths: list[Path] = [(key,) for key in SINGLE]
    paths += [(key, level) for key in BY_LEVEL for level in case.child(key).value if LEVEL.fullmatch(level)]
    paths += [("ecl", key) for key in ECL]
    figures = {path: figure for path in paths if (figure := figure_at(case, path)) != Figure(None)}
    sizes = case.value.get("effective_sample_size")
    if not isinstance(sizes, Mapping):
        sizes = {"all": sizes}
    sized = Node(sizes, case.where("effective_sample_size")).numbers()
    thinned = [
        thinned_estimates(Node.at(row, f"{case.where('convergence')}[{place}]"))
        for place, row in enumerate(case.items("convergence"))
    ]
    return CaseView(
        name,
        index,
        rate_name,
        shifts_of(case, "probit_shift") if "probit_shift" in case.value else None,
        shifts_of(case, "collateral_shift"),
        case.number("probability"),
        figures,
        changes_of(case.child("change"), paths),
        el_check_of(case) if "el_check" in case.value else None,
        further={
            path: value
            for key, below in case.value.items()
            if key not in APART
            for path, value in leaves((key,), below)
            if path not in paths
        },
        effective_sizes={level: size for level, size in sized.items() if size is not None},
        thinned=sorted((row for row in thinned if row is not None), key=lambda row: -row.scenarios),
        segments=parts_of(case.child("segments"), contribution_level),
        regions=parts_of(case.child("regions"), contribution_level),
        dimensions={name: parts_of(parts, contribution_level) for name, parts in case.child("dimensions").children()},
    )


def el_check_of(case: Node) -> ElCheck:
    """How the simulated EL compares with the headline."""
    check = case.child("el_check")
    return ElCheck(check.number("simulated"), check.number("standard_errors_apart"), check.flag("agrees"))


def shifts_of(case: Node, kind: str) -> dict[str, float]:
    """The case's shifts of a kind by segment, those that shift something."""
    return {segment: shift for segment, shift in case.child(kind).numbers().items() if shift}


def changes_of(change: Node, paths: Sequence[Path]) -> dict[Path, Figure]:
    """How figures differ from the first case's."""
    known = ((path, figure_at(change, path)) for path in paths)
    return {path: figure for path, figure in known if figure.value is not None}


def earlier_of(earlier: Node) -> EarlierView:
    """The run that this one compares with."""
    return EarlierView(
        earlier.text("run") or MISSING,
        earlier.text("as_of"),
        earlier.text("currency"),
        earlier.number("loans"),
        earlier.number("exposure"),
        {name: dict(leaves((), case.value)) for name, case in earlier.child("cases").children()},
    )


def figure_at(case: Node, path: Path) -> Figure:
    """The value and the interval at a path, whose last step is a number and whose others are objects."""
    node, intervals = case, case.child("interval_95")
    for key in path[:-1]:
        node, intervals = node.child(key), intervals.child(key)
    bounds = bounds_at(intervals, path[-1])
    interval = (bounds[0], bounds[1]) if len(bounds) == 2 else None
    left_out = case.child("not_applicable").number(INAPPLICABLE[path]) if path in INAPPLICABLE else None
    undetermined = bool(intervals.items(path[-1])) and not bounds
    return Figure(node.number(path[-1]), interval, undetermined, left_out or 0)


def bounds_at(node: Node, key: str) -> list[float]:
    """The known ends of an interval."""
    pair, where = node.items(key), node.where(key)
    if len(pair) not in (0, 2):
        raise wrong(where, "two numbers", pair)
    return [bound for end in pair if (bound := number_at(end, where)) is not None]


def leaves(path: Path, value: Any) -> Iterator[tuple[Path, float]]:
    """All numbers in objects below each other."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from leaves((*path, key), below)
    elif is_number(value) and (number := number_at(value, ".".join(path))) is not None:
        yield path, number


def thinned_estimates(row: Node) -> ThinnedEstimates | None:
    """A row of the convergence table; None where it does not say how many scenarios it is about."""
    scenarios = row.number("scenarios")
    if scenarios is None or scenarios < 1:
        return None
    estimates = {}
    for name in THINNED:
        pair = row.items(name) or (None, None)
        if len(pair) != 2:
            raise wrong(row.where(name), "a value and its standard error", pair)
        value, error = (number_at(end, row.where(name)) for end in pair)
        if value is not None:
            estimates[name] = value, error
    return ThinnedEstimates(scenarios, estimates)


def parts_of(parts: Node, contribution_level: str) -> dict[str, PartLosses]:
    """Segments, regions or a dimension's values of a case."""
    return {
        name: PartLosses(
            el=figure_at(part, ("el",)),
            var_contribution=figure_at(part, (f"var_{contribution_level}_contribution",)),
            es_contribution=figure_at(part, (f"es_{contribution_level}_contribution",)),
            capital=figure_at(part, ("capital",)),
            twelve_month_ecl=figure_at(part, ("twelve_month_ecl",)),
            lifetime_ecl=figure_at(part, ("lifetime_ecl",)),
        )
        for name, part in parts.children()
    }


def portfolio_view(portfolio: Node, versions: Node) -> PortfolioView:
    """The portfolio that was simulated."""
    indices = portfolio.child("concentration")

    def holdings(node: Node) -> dict[str, Holding]:
        return {name: Holding(part.number("loans"), part.number("exposure")) for name, part in node.children()}

    return PortfolioView(
        portfolio.text("source"),
        versions.text("portfolio"),
        versions.child("mapping").value,
        portfolio.text("as_of"),
        Concentration(indices.number("hhi"), indices.number("hhi_segments"), indices.number("hhi_regions")),
        borrowers_of(portfolio.child("borrowers")) if "borrowers" in portfolio.value else None,
        holdings(portfolio.child("segments")),
        holdings(portfolio.child("regions")),
        portfolio.text("regions_told"),
        {
            name: DimensionView(found.text("told"), holdings(found.child("values")))
            for name, found in portfolio.child("dimensions").children()
        },
        json.dumps(portfolio.value["filter"], ensure_ascii=False) if "filter" in portfolio.value else "",
    )


def borrowers_of(borrowers: Node) -> BorrowersView:
    """Number and concentration of the borrowers, and the largest."""
    rows = [
        Node.at(row, f"{borrowers.where('largest')}[{place}]") for place, row in enumerate(borrowers.items("largest"))
    ]
    return BorrowersView(
        borrowers.number("number"),
        borrowers.number("hhi"),
        borrowers.number("one_in") or 1.0,
        [
            BorrowerView(
                row.text("borrower") or MISSING, row.number("exposure"), row.number("share"), row.number("loans")
            )
            for row in rows
        ],
    )


def contributions_of(node: Node) -> dict[str, ContributionsView]:
    """What the loans and the borrowers contribute in each case."""
    level = f"{node.number('level') or CONTRIBUTION_LEVEL:g}"
    return {
        name: ContributionsView(
            level,
            case.number("es"),
            case.number("economic_capital"),
            _contributions(case, "loans", "account"),
            _contribution(case.child("others"), "", "loans"),
            _contributions(case, "borrowers", "borrower"),
            _contribution(case.child("other_borrowers"), "", "borrowers") if "other_borrowers" in case.value else None,
        )
        for name, case in node.child("cases").children()
    }


def _contributions(case: Node, kind: str, name: str) -> list[ContributionView]:
    rows = [Node.at(row, f"{case.where(kind)}[{place}]") for place, row in enumerate(case.items(kind))]
    return [_contribution(row, row.text(name) or MISSING, "loans") for row in rows]


def _contribution(row: Node, name: str, number: str) -> ContributionView:
    return ContributionView(
        name,
        row.text("segment"),
        row.number(number),
        row.number("exposure"),
        row.number("es"),
        row.number("economic_capital"),
        row.number("share"),
        row.child("standard_error").number("es"),
    )


def input_of(node: Node) -> InputView:
    """The profile of the loans; empty in results that have none."""
    said = node.items("warnings")
    if any(not isinstance(text, str) for text in said):
        raise wrong(node.where("warnings"), "a list of texts", said)
    return InputView(
        {name: column.numbers() for name, column in node.child("columns").children()},
        {name: segment.numbers() for name, segment in node.child("segments").children()},
        [
            Node.at(band, f"{node.where('pd_bands')}[{place}]").numbers()
            for place, band in enumerate(node.items("pd_bands"))
        ],
        [str(text) for text in said],
    )


def duplicates_of(duplicates: Node) -> DuplicatesView:
    """Rows of AccountIDs that occur more than once."""
    bounds = bounds_at(duplicates, "interval_95")
    estimated = duplicates.flag("exact") is False and len(bounds) == 2
    interval = (bounds[0], bounds[1]) if estimated else None
    return DuplicatesView(duplicates.number("rows"), duplicates.number("share"), interval)


def cost_view(cost: Node) -> CostView:
    """What the run cost."""
    return CostView(
        cost.record(),
        cost.child("usd_by_item").numbers(),
        cost.child("requests").numbers(),
        cost.child("prices").texts(),
    )
