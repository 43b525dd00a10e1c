"""What went in: the range of each column, and what of it looks like a wrong unit, column or date."""

from montecarlo.report.markup import Html, section, table, tag
from montecarlo.report.view import ResultView
from montecarlo.report.words import MISSING, count, percent

QUANTILES = {"least": "Least", "q01": "1 %", "median": "Median", "q99": "99 %", "most": "Most"}


def input_section(result: ResultView) -> Html:
    """The profile of the loans; nothing in results that have none."""
    given = result.input
    if not given.columns and not given.warnings:
        return Html()
    notes: list[Html] = [tag("p", f"Look again: {warning}", class_="warning") for warning in given.warnings]
    rows = [
        [name, count(column.get("missing")), *(_figure(column.get(key)) for key in QUANTILES)]
        for name, column in given.columns.items()
    ]
    if rows:
        caption = (
            "The numbers of the loans by column, quantiles rounded down by 0.4 % at most. Age: months at the reporting"
            " date. PaymentToAnnuity: the Payment by what LoanAmount, Rate and LoanTerm would give. PaymentToIncome: by"
            " a month of the GrossIncome."
        )
        notes.append(table(caption, ["Column", "Missing", *QUANTILES.values()], rows))
    risks = [
        [name, *(MISSING if (value := risk.get(key)) is None else percent(value) for key in ("pd", "lgd"))]
        for name, risk in given.risks.items()
    ]
    if risks:
        caption = "Mean PD in the first case and LGD by segment, weighted with the exposure."
        notes.append(table(caption, ["Segment", "PD", "LGD"], risks))
    return section("Input", *notes, *bands_table(result))


def bands_table(result: ResultView) -> list[Html]:
    """Loans and exposure by bands of PD."""
    bands = [band for band in result.input.bands if band.get("from") is not None]
    if not bands:
        return []
    whole = sum(band.get("exposure") or 0.0 for band in bands)
    rows = []
    for band in bands:
        start, exposure, mean = band["from"] or 0.0, band.get("exposure"), band.get("pd")
        share = MISSING if exposure is None or not whole else percent(exposure / whole)
        end = next((end for end in PD_BANDS if end > start), None)
        named = "100 % (default)" if end is None else f"{100 * start:.2f} % to below {100 * end:.2f} %"
        told = [count(band.get("loans")), result.currency.money(exposure), share]
        rows.append([named, *told, MISSING if mean is None else percent(mean)])
    caption = (
        "Loans by their PD in the first case, in the bands of Basel's disclosure template CR6. Mean PD: weighted with"
        " the exposure."
    )
    return [tag("h3", "PD bands"), table(caption, ["PD", "Loans", "Exposure", "Share", "Mean PD"], rows)]


PD_BANDS = (0.0015, 0.0025, 0.005, 0.0075, 0.025, 0.1, 1.0)
"""Where bands of PD end."""


def _figure(number: float | None) -> str:
    if number is None:
        return MISSING
    return f"{number:,.0f}" if abs(number) >= 1_000 else f"{number:.4g}"
