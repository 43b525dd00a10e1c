"""Which loans went in, how concentrated they are, and who owes most."""

from montecarlo.report.figures import row_equation, sum_or_none
from montecarlo.report.markup import Html, section, table, tag
from montecarlo.report.sections.tables import by_zip_code
from montecarlo.report.view import ResultView, RowCounts
from montecarlo.report.words import MISSING, count, percent


def portfolio_section(result: ResultView) -> Html:
    """The counts of rows, the reasons of rejects, concentration, and the largest borrowers."""
    rows = result.rows
    notes: list[Html] = []
    if rows != RowCounts(None, None, None, None):
        notes.append(tag("p", row_equation(result), class_="equation"))
        total = sum_or_none((rows.simulated, rows.rejected, rows.not_sampled, rows.filtered or 0))
        if rows.read is not None and total is not None and rows.read != total:
            differ = f"These counts do not add up: they differ by {count(abs(rows.read - total))}."
            notes.append(tag("p", differ, class_="warning"))
    if result.rejected_by_reason:
        reasons = sorted(result.rejected_by_reason.items(), key=lambda item: (-(item[1] or 0), item[0]))
        caption = "Rejected loans by reason. The run's rejects file names file, row, column and value of each."
        notes.append(table(caption, ["Reason", "Loans"], [[reason, count(many)] for reason, many in reasons]))
    concentration = concentration_table(result)
    if concentration:
        notes += [tag("h3", "Concentration"), concentration]
    notes += largest_borrowers(result)
    return section("Loans", *notes) if notes else Html()


def concentration_table(result: ResultView) -> Html:
    """Herfindahl-Hirschman indices, each with the number of equal parts that would be as concentrated."""
    portfolio, borrowers = result.portfolio, result.portfolio.borrowers
    by_borrower = [("By borrower", borrowers.index, borrowers.number)] if borrowers else []
    kinds = (
        ("By loan", portfolio.concentration.by_loan, result.rows.simulated),
        *by_borrower,
        ("By segment", portfolio.concentration.by_segment, len(portfolio.segments) or None),
        (
            f"By {'ZIP region' if by_zip_code(result) else 'region'}",
            portfolio.concentration.by_region,
            len(portfolio.regions) or None,
        ),
    )
    rows = []
    for title, index, parts in kinds:
        if index is not None and index > 0:
            equal = 1 / index
            rows.append([title, f"{index:.2g}", f"{equal:,.1f}" if equal < 99.5 else count(equal), count(parts)])
    caption = (
        "Herfindahl-Hirschman index (HHI): the sum of squared shares of the exposure, from 1 for all in one down to 1/n"
        " for n equal ones. As concentrated as: so many equal ones."
    )
    if borrowers and borrowers.one_in > 1:
        caption += f" Borrowers: estimated from one in {count(borrowers.one_in)}."
    return table(caption, ["Exposure", "HHI", "As concentrated as", "Of"], rows) if rows else Html()


def largest_borrowers(result: ResultView, most: int | None = None) -> list[Html]:
    """The largest borrowers, so many at most, under a heading; nothing where the result knows none."""
    borrowers = result.portfolio.borrowers
    if borrowers is None or not borrowers.largest:
        return []
    shown = borrowers.largest[:most]
    rows = [
        [
            one.name,
            count(one.loans),
            result.currency.money(one.exposure),
            MISSING if one.share is None else percent(one.share),
        ]
        for one in shown
    ]
    caption = f"The {len(shown)} of {count(borrowers.number)} that owe most."
    return [
        tag("h3", "Largest borrowers"),
        table(caption, ["Borrower", "Loans", "Exposure", "Share of the portfolio"], rows),
    ]
