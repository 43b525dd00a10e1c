"""A calibration for people: what was estimated, how sure it is, and what it is worth on loans that were left out.

One self-contained HTML file in the style of a run's report; and its rows for the terminal.
"""

from calibration.calibrate import Calibration
from calibration.quality import Quality
from calibration.scorecard import COEFFICIENTS, Estimate
from montecarlo.report.charts.frame import Frame, line, svg, text_at, ticks
from montecarlo.report.markup import Html, contents, scrolling, section, table, tag
from montecarlo.report.page import document
from montecarlo.report.words import MISSING, count, humanise, percent

HEAD = ["Parameter", "Before", "Estimate", "95 % interval"]
GRADES_HEAD = ["Grade", "Loans", "Defaults", "Default rate", "95 % interval", "PD"]
CORRELATIONS_HEAD = ["Segment", "Asset correlation", "95 % interval", "PD", "Periods"]
QUALITY_HEAD = ["Loans left out", "Before", "Calibrated"]
BINS_HEAD = ["PD", "Loans", "Expected", "Defaults", "Default rate", "95 % interval"]


def rows(found: Calibration) -> list[list[str]]:
    """A row for each coefficient and intercept of the scorecard that the history could tell of, or why it cannot."""
    fit, base = found.fit, found.base
    told = [_row(humanise(name), getattr(base.scorecard, name), fit.coefficients.get(name)) for name in COEFFICIENTS]
    for row, name in zip(told, COEFFICIENTS, strict=True):
        if name in fit.at_zero:
            row[2:] = [_number(0.0), "at its bound"]
    of_segments = set(fit.intercepts) | {path.split(".")[1] for path in fit.kept if path.startswith("segments.")}
    told += [
        _row(f"Intercept, {humanise(name)}", segment.intercept, fit.intercepts.get(name))
        for name, segment in base.segments.items()
        if name in of_segments
    ]
    return told


def _row(name: str, before: float, estimate: Estimate | None) -> list[str]:
    if estimate is None:
        return [name, _number(before), "kept", ""]
    low, high = estimate.interval
    return [name, _number(before), _number(estimate.value), f"{_number(low)} to {_number(high)}"]


def _number(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def kept(found: Calibration) -> list[str]:
    """Why some parameters stay as they were or are at a bound, a sentence each."""
    fit = found.fit
    return [
        *(f"{humanise(name)}: {why}." for name, why in fit.at_zero.items()),
        *(f"Kept as it was. {_path(path)}: {why}." for path, why in fit.kept.items()),
        *(f"Kept as it was. Asset correlation, {why}" for why in found.uncorrelated.values()),
    ]


def _path(path: str) -> str:
    parts = path.split(".")
    return humanise(parts[1]) if parts[0] == "scorecard" else f"Intercept, {humanise(parts[1])}"


def grade_rows(found: Calibration) -> list[list[str]]:
    """A row for each grade."""
    return [
        [
            name,
            count(grade.loans),
            count(grade.defaults),
            percent(grade.defaults / grade.loans),
            f"{percent(grade.interval[0])} to {percent(grade.interval[1])}",
            percent(grade.pd),
        ]
        for name, grade in found.grades.items()
    ]


def correlation_rows(found: Calibration) -> list[list[str]]:
    """A row for each segment with an asset correlation."""
    return [
        [
            humanise(name),
            f"{told.rho:.4f}",
            f"{told.interval[0]:.4f} to {told.interval[1]:.4f}",
            percent(told.pd),
            count(told.periods),
        ]
        for name, told in found.correlations.items()
    ]


def doubts(found: Calibration) -> list[str]:
    """What makes the asset correlations less sure."""
    return list(
        dict.fromkeys(
            f"{humanise(name)}: {doubt}." for name, told in found.correlations.items() for doubt in told.doubts
        )
    )


def quality_rows(found: Calibration) -> list[list[str]]:
    """Discrimination and calibration on the loans left out, before and after."""
    before, after = found.before, found.after
    if before is None or after is None:
        return []
    return [
        ["Defaults expected", f"{before.expected:,.1f}", f"{after.expected:,.1f}"],
        ["Defaults seen", count(before.defaults), count(after.defaults)],
        ["AUC", _auc(before), _auc(after)],
        ["Brier score", f"{before.brier:.5f}", f"{after.brier:.5f}"],
        ["Brier score of one PD for all", f"{before.brier_of_mean:.5f}", f"{after.brier_of_mean:.5f}"],
    ]


def _auc(of: Quality) -> str:
    if of.auc is None:
        return MISSING
    error = of.auc_standard_error
    return f"{of.auc:.3f}" + (f" ±{1.96 * error:.3f}" if error is not None else "")


def bin_rows(of: Quality) -> list[list[str]]:
    """A row for each bin of PDs."""
    return [
        [
            percent(each.pd),
            count(each.loans),
            f"{each.pd * each.loans:,.1f}",
            count(each.defaults),
            percent(each.defaults / each.loans),
            f"{percent(each.interval[0])} to {percent(each.interval[1])}",
        ]
        for each in of.bins
    ]


def verdict(found: Calibration) -> str:
    """What the loans left out say, in a sentence."""
    of = found.after
    if of is None:
        return "No loan was left out to judge the estimates by: the history is too small."
    gap = of.defaults - of.expected
    apart = abs(gap) / of.spread if of.spread else 0.0
    fits = "as many as luck among independent loans explains" if apart <= 2 else "more than luck among loans explains"
    words = (
        f"Of {count(of.loans)} loans left out {count(of.defaults)} defaulted, {of.expected:,.1f} were expected: "
        f"{'a difference of ' if apart > 2 else ''}{apart:.1f} standard deviations, {fits}."
    )
    if of.auc is not None:
        words += f" Of two loans, the one that defaulted had the higher PD in {of.auc:.1%} of all pairs."
    return words.replace("%", " %")


def render(found: Calibration) -> str:
    """The page, an HTML document that is also well-formed XML."""
    parts = [
        section(
            "Scorecard",
            tag(
                "p",
                f"Logistic regression on {count(found.fit.loans)} loans with {count(found.fit.defaults)} defaults. "
                f"The history was parted {found.split}.",
            ),
            table("Coefficients in logits, and what they were before.", HEAD, rows(found)),
            *(tag("p", sentence) for sentence in kept(found)),
        ),
        section(
            "Out of sample",
            tag("p", verdict(found)),
            *(
                [
                    table("The old parameters and the new, on the loans left out.", QUALITY_HEAD, quality_rows(found)),
                    tag("figure", scrolling(reliability(found.after), "Chart: reliability", more=True)),
                    table(_BINS, BINS_HEAD, bin_rows(found.after)),
                ]
                if found.after
                else []
            ),
        ),
    ]
    if found.grades:
        parts.append(
            section(
                "Grades",
                table("Default rates of all loans by grade; Jeffreys' intervals.", GRADES_HEAD, grade_rows(found)),
                tag(
                    "p", "The PD is (defaults + ½) / (loans + 1), so that a grade without a default has one above zero."
                ),
            )
        )
    if found.correlations:
        parts.append(
            section(
                "Asset correlations",
                table("Maximum likelihood on Vasicek's density.", CORRELATIONS_HEAD, correlation_rows(found)),
                *(tag("p", sentence) for sentence in doubts(found)),
            )
        )
    heading = tag(
        "header",
        tag("p", "Calibration", class_="kicker"),
        tag("h1", found.source),
        tag("p", verdict(found), class_="headline"),
    )
    return document(f"Calibration: {found.source}", tag("main", heading, contents(parts), *parts))


_BINS = "Loans left out by PD, in bins of about equal size: expected and seen, with Jeffreys' intervals."


def reliability(of: Quality) -> Html:
    """The default rate of each bin over its mean PD; on the diagonal they agree."""
    most = max([0.001, *(max(each.pd, each.interval[1]) for each in of.bins)]) * 1.05
    frame = Frame(0.0, most, 76.0, 520.0, 16.0, 420.0)
    children = []
    for value in ticks(0.0, most, 6):
        x, y, label = frame.x(value), frame.y(value / most), f"{100 * value:.3g} %"
        children += [
            line(frame.left, y, frame.right, y, "grid"),
            text_at(frame.left - 8, y + 4, label, "end"),
            line(x, frame.bottom, x, frame.bottom + 5, "axis"),
            text_at(x, frame.bottom + 20, label, "middle"),
        ]
    children += [
        line(frame.left, frame.bottom, frame.right, frame.bottom, "axis"),
        line(frame.x(0), frame.y(0), frame.x(most), frame.y(1), "axis"),
        text_at(frame.right, frame.bottom + 40, "Mean PD of the bin", "end", "title"),
        text_at(frame.right + 14, frame.top + 12, "Height: default rate, with 95 % intervals;", "start", "title"),
        text_at(frame.right + 14, frame.top + 32, "on the line it is as expected", "start", "title"),
    ]
    for each in of.bins:
        x = frame.x(each.pd)
        low, high, rate = (frame.y(value / most) for value in (*each.interval, each.defaults / each.loans))
        children += [
            line(x, low, x, high, "whisker case0"),
            tag("circle", cx=x, cy=rate, r=4.0, class_="dot case0"),
        ]
    told = " ".join(f"{percent(each.pd)}: {percent(each.defaults / each.loans)}." for each in of.bins)
    return svg("reliability", "Reliability", f"Mean PD and default rate of each bin. {told}", 470, *children)
