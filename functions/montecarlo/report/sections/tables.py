"""Tables that several sections have: a measure's cells, and parts of the portfolio with their figures by case."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from montecarlo.portfolio.regions import REGION_LABELS, REGIONS
from montecarlo.report.charts.bars import bars
from montecarlo.report.figures import (
    LIFETIME_ECL,
    RISK_WEIGHT_FACTOR,
    Measure,
    case_title,
    compared,
    half_width,
    in_unit,
    page_unit,
    sum_or_none,
)
from montecarlo.report.markup import Html, cell, joined, table, tag
from montecarlo.report.view import CaseView, Figure, Holding, PartLosses, ResultView
from montecarlo.report.words import MISSING, NOT_APPLICABLE, Unit, count, humanise, percent, plus_minus


def value_cell(case: CaseView, measure: Measure, unit: Unit) -> Html:
    """A case's figure with its interval below, where it is uncertain at all."""
    bounds = measure.interval(case)
    if bounds is None or bounds[0] == bounds[1]:
        return cell(measure.shown(case, unit))
    return cell(measure.shown(case, unit), f"{measure.text(bounds[0], unit)} to {measure.text(bounds[1], unit)}")


def change_cell(measure: Measure, reference: CaseView, case: CaseView, unit: Unit) -> Html:
    """How a case's figure differs from the reference's, in % and, below, as an amount with its interval."""
    before, after = measure.value(reference), measure.value(case)
    if measure.kind != "amount" or before is None or after is None:
        return cell(measure.change(reference, case))
    bounds = case.changes.get(measure.path, Figure(None)).interval
    told = f" ({signed(bounds[0], unit)} to {signed(bounds[1], unit)})" if bounds and bounds[0] < bounds[1] else ""
    return cell(measure.change(reference, case), signed(after - before, unit) + told)


def signed(amount: float, unit: Unit) -> str:
    """An amount with its sign: +1.25"""
    text = unit.text(amount)
    return text if text.startswith("−") else f"+{text}"


@dataclass(frozen=True)
class PartFigure:
    """A figure that parts of the portfolio have in each case; `key` as in PartLosses.

    title: what it is called in a column's head.
    share: what is shown as a share of exposure is so many times the figure; None where nothing is.
    drawn: as bars, too.
    measure: the case's figure that the parts add up to, where it leaves loans out.
    """

    key: str
    title: str
    share: float | None = None
    drawn: str = ""
    measure: Measure | None = None

    def figure(self, parts: Mapping[str, PartLosses], name: str) -> Figure:
        """A part's figure; one without a value where it has none."""
        figure: Figure = getattr(parts.get(name, PartLosses()), self.key)
        return figure

    def of(self, parts: Mapping[str, PartLosses], name: str) -> float | None:
        """Its value; None where it has none."""
        return self.figure(parts, name).value

    def leaves_out(self, cases: Sequence[CaseView]) -> bool:
        """Whether it does not hold for all loans, so that a part may have none and the total is of the others."""
        return self.measure is not None and any(case.figure(self.measure.path).inapplicable for case in cases)


def by_zip_code(result: ResultView) -> bool:
    """Whether regions are those of ZIP codes, and not the values of a column."""
    return result.portfolio.regions_told is None


def part_name(result: ResultView, kind: str) -> str:
    """What a segment, region or value is called in a column's head."""
    region = "ZIP region" if by_zip_code(result) else "Region"
    return {"segments": "Segment", "regions": region}.get(kind, kind)


PART_EL = PartFigure("el", "EL", share=1.0, drawn="EL compared")
PART_CAPITAL = PartFigure("capital", "capital", share=RISK_WEIGHT_FACTOR, drawn="Capital compared")
PART_TWELVE_MONTH = PartFigure("twelve_month_ecl", "12 months", share=1.0)
PART_LIFETIME = PartFigure("lifetime_ecl", "lifetime", share=1.0, drawn="Lifetime compared", measure=LIFETIME_ECL)


def part_var(result: ResultView) -> PartFigure:
    """The contribution to VaR, at the result's level."""
    return PartFigure("var_contribution", f"VaR {result.contribution_level}\u00a0%")


def part_es(result: ResultView) -> PartFigure:
    """The contribution to ES, at the result's level."""
    return PartFigure("es_contribution", f"ES {result.contribution_level}\u00a0%")


@dataclass(frozen=True)
class Parts:
    """How the portfolio is divided: what each part holds, and what it loses in each of the compared cases."""

    kind: str
    holdings: Mapping[str, Holding]
    by_case: Sequence[Mapping[str, PartLosses]]
    by_zip_code: bool = False

    @classmethod
    def of(cls, result: ResultView, kind: str) -> "Parts":
        """kind: "segments", "regions" or a dimension's name."""
        cases = compared(result.cases)
        if found := result.portfolio.dimensions.get(kind):
            return cls(kind, found.values, [case.dimensions.get(kind, {}) for case in cases])
        if kind == "segments":
            return cls(kind, result.portfolio.segments, [case.segments for case in cases])
        return cls(kind, result.portfolio.regions, [case.regions for case in cases], by_zip_code(result))

    def names(self) -> list[str]:
        """Of all parts: in the result's order, regions in that of their digits, unknown ones last."""
        names = list(dict.fromkeys(name for group in (self.holdings, *self.by_case) for name in group))
        if self.by_zip_code:
            names.sort(key=lambda name: REGIONS.index(name) if name in REGIONS else len(REGIONS))
        return names

    def values(self, figure: PartFigure) -> Iterator[float]:
        """What is known of a figure, of all parts and cases."""
        for parts in self.by_case:
            for name in self.names():
                value = figure.of(parts, name)
                if value is not None:
                    yield value

    def label(self, name: str) -> Html:
        """A part's name; a region's digit with its states."""
        states = REGION_LABELS.get(name) if self.by_zip_code else None
        if self.kind != "segments" and not self.by_zip_code:
            return joined([name])
        return joined([f"{name}xxxx", tag("small", states)]) if states else joined([humanise(name)])


def parts_table(
    result: ResultView, kind: str, figures: Sequence[PartFigure], caption: str, loans: bool = False
) -> Html:
    """Parts down, the figures of the compared cases across; nothing where no case has one of them.

    kind: "segments", "regions" or a dimension's name. loans: whether to tell how many loans each part has.
    """
    cases, parts = compared(result.cases), Parts.of(result, kind)
    known = {figure: values for figure in figures if (values := list(parts.values(figure)))}
    if not known:
        return Html()
    unit = page_unit(result)

    def amount_cell(figure: PartFigure, value: float | None, exposure: float | None, margin: float | None) -> Html:
        if value is None:
            return cell(NOT_APPLICABLE if figure.leaves_out(cases) else MISSING)
        if figure.share and exposure:
            return cell(unit.text(value), percent(figure.share * value / exposure))
        return cell(unit.text(value), plus_minus(margin) if margin else None)

    def margins(figure: PartFigure, some: Sequence[str]) -> list[float | None]:
        """Those of a part by case; errors of several parts do not add up."""
        alone = some[0] if len(some) == 1 else None
        return [None if alone is None else half_width(figure.figure(of_case, alone)) for of_case in parts.by_case]

    def total(figure: PartFigure, values: Sequence[float | None]) -> float | None:
        told = [value for value in values if value is not None]
        return sum_or_none(told if told and figure.leaves_out(cases) else values)

    def row(title: str, some: Sequence[str], charted: bool = True) -> list[str]:
        """The sums over some of the parts."""
        holdings = [parts.holdings.get(name, Holding()) for name in some]
        exposure = sum_or_none(holding.exposure for holding in holdings)
        cells: list[str] = [title]
        if loans:
            cells.append(count(sum_or_none(holding.loans for holding in holdings)))
        cells.append(MISSING if exposure is None else unit.text(exposure))
        for figure, values in known.items():
            sums = [total(figure, [figure.of(of_case, name) for name in some]) for of_case in parts.by_case]
            cells += [
                amount_cell(figure, value, exposure, margin)
                for value, margin in zip(sums, margins(figure, some), strict=True)
            ]
            if figure.drawn:
                cells.append(tag("td", bars(cases, sums, max(values)) if charted else Html(), class_="bars"))
        return cells

    head: list[str] = [part_name(result, kind), *(["Loans"] if loans else []), "Exposure"]
    for figure in known:
        head += [f"{case_title(case)} {figure.title}" for case in cases]
        if figure.drawn:
            head.append(tag("th", figure.drawn, scope="col", class_="bars"))
    names = parts.names()
    rows = [row(parts.label(name), [name]) for name in names]
    return table(f"{in_unit(result)} {caption}", head, rows, row("Total", names, charted=False))
