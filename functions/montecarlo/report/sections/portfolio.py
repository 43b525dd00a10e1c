"""Which loans went in, and how concentrated they are."""

from montecarlo.report.figures import row_equation, sum_or_none
from montecarlo.report.markup import Html, section, table, tag
from montecarlo.report.view import ResultView, RowCounts
from montecarlo.report.words import count


def portfolio_section(result: ResultView) -> Html:
    """The counts of rows, the reasons of rejects, and concentration."""
    rows = result.rows
    notes: list[Html] = []
    if rows != RowCounts(None, None, None, None):
        notes.append(tag("p", row_equation(result), class_="equation"))
        total = sum_or_none((rows.simulated, rows.rejected, rows.not_sampled))
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
    return section("Loans", *notes) if notes else Html()


def concentration_table(result: ResultView) -> Html:
    """Herfindahl-Hirschman indices, each with the number of equal parts that would be as concentrated."""
    portfolio = result.portfolio
    kinds = (
        ("By loan", portfolio.concentration.by_loan, result.rows.simulated),
        ("By segment", portfolio.concentration.by_segment, len(portfolio.segments) or None),
        ("By ZIP region", portfolio.concentration.by_region, len(portfolio.regions) or None),
    )
    rows = []
    for title, index, parts in kinds:
        if index is not None and index > 0:
            equal = 1 / index
            rows.append([title, f"{index:.2g}", f"{equal:,.1f}" if equal < 99.5 else count(equal), count(parts)])
    caption = (
        "Herfindahl-Hirschman index (HHI): the sum of squared shares of the exposure, from 1 for all in one down to 1/n"
        " for n equal ones. As concentrated as: so many equal loans, segments or regions."
    )
    return table(caption, ["Exposure", "HHI", "As concentrated as", "Of"], rows) if rows else Html()
