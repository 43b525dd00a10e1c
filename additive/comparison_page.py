"""A comparison for people: one HTML file in the report's style that needs no script, font or network."""

from collections.abc import Iterable, Sequence

from additive.compare import Comparison
from additive.waterfall import Mover, Waterfall
from montecarlo.report.charts.frame import line, svg, text_at
from montecarlo.report.markup import Html, cell, contents, section, table, tag
from montecarlo.report.page import document
from montecarlo.report.words import MISSING, Currency, Unit, count, humanise, percent, unit_for

NAMES = {
    "new": "New loans",
    "repaid": "Repaid loans",
    "exposure": "Exposure",
    "pd": "PD",
    "lgd": "LGD",
    "parameters": "Parameters",
    "scenarios": "Scenarios",
}
"""The steps, in words."""

_MEASURES = {
    "el": "Expected loss (EL)",
    "ul": "Unexpected loss (UL)",
    "var": "Value at risk (VaR)",
    "es": "Expected shortfall (ES)",
    "economic_capital": "Economic capital",
    "capital": "Basel IRB capital",
    "ecl_twelve_month": "ECL, 12 months",
    "ecl_lifetime": "ECL, lifetime",
}

_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 960, 20.0, 940.0, 36.0, 280.0


def render(made: Comparison) -> str:
    """The comparison as an HTML document that is also well-formed XML."""
    first, second = made.first.plan.run, made.second.plan.run
    parts = [part for found in made.waterfalls for part in _sections(made, found)]
    body = tag(
        "main",
        tag(
            "header",
            tag("p", "Comparison of two runs", class_="kicker"),
            tag("h1", f"{first} → {second}"),
            _headline(made),
        ),
        *(tag("p", remark, class_="notice") for remark in made.remarks),
        _facts(made),
        contents(parts),
        *parts,
        _guide(made),
    )
    return document(f"{first} and {second} – comparison of two runs", body)


def measure_name(name: str) -> str:
    """A figure's name in words: var_99.9 -> Value at risk (VaR), 99.9 %"""
    if name in _MEASURES:
        return _MEASURES[name]
    kind, _, level = name.rpartition("_")
    return f"{_MEASURES[kind]}, {level} %"


def _headline(made: Comparison) -> Html:
    found = made.waterfalls[0]
    currency = Currency(made.currency)
    change = found.after - found.before
    steps = sorted((step for step in found.steps if step.cents), key=lambda step: -abs(step.cents))
    words: list[str] = [
        "The expected loss ",
        f"{'rose' if change > 0 else 'fell'} by " if change else "did not change: it is ",
        tag("strong", currency.spelled(abs(change) / 100 if change else found.after / 100)),
    ]
    if change:
        words += [" to ", tag("strong", currency.spelled(found.after / 100))]
    if steps:
        largest = steps[0]
        words += [f"; the largest step is {NAMES[largest.name]} ({_signed(currency, largest.cents)})"]
    return tag("p", *words, ".", class_="headline")


def _facts(made: Comparison) -> Html:
    currency = Currency(made.currency)
    entries = []
    for side in (made.first, made.second):
        entries += [
            (f"{side.plan.run}, as of", side.plan.as_of.isoformat()),
            ("Loans", count(side.number("loans", "simulated"))),
            ("Exposure", currency.spelled(side.number("exposure"))),
        ]
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in entries), class_="facts")


def _sections(made: Comparison, found: Waterfall) -> Iterable[Html]:
    case = humanise(found.case)
    yield section(f"{case}: expected loss", _chart(made, found), _steps(made, found))
    yield section(f"{case}: measures", _measures(made, found))
    if found.case in made.tails:
        yield section(f"{case}: tail", _tail(made, found))
    if found.movers:
        yield section(f"{case}: movers", _movers(made, found.movers))


def _steps(made: Comparison, found: Waterfall) -> Html:
    """The waterfall's numbers, to the cent."""
    exact = Unit(1.0, "", "")

    def row(name: str, cents: int, loans: int | None = None) -> list[str]:
        share = _share(cents / found.before) if found.before and loans is not None else ""
        return [name, exact.text(cents / 100), "" if loans is None else count(loans), share]

    rows = [row(made.first.plan.run, found.before)]
    rows += [row(NAMES[step.name], step.cents, step.loans) for step in found.steps]
    rows.append(row("Residual", found.residual))
    caption = f"{made.currency}, to the cent. Loans: how many the step changes. Share: of {made.first.plan.run}."
    return table(caption, ["Step", "Expected loss", "Loans", "Share"], rows, row(made.second.plan.run, found.after))


def _measures(made: Comparison, found: Waterfall) -> Html:
    figures = list(made.measures(found.case))
    unit = unit_for(value for _, *pair in figures for value in pair)
    rows = []
    for name, before, after in figures:
        known = before is not None and after is not None
        change = _share((after or 0.0) / before - 1) if known and before else MISSING
        difference = unit.text((after or 0.0) - (before or 0.0)) if known else None
        rows.append([measure_name(name), _text(unit, before), _text(unit, after), cell(change, difference)])
    name = Currency(made.currency).name(unit)
    return table(
        f"{name}. Only sums over loans add up step by step; these are measured anew in each run.",
        ["Measure", made.first.plan.run, made.second.plan.run, "Change"],
        rows,
    )


def _tail(made: Comparison, found: Waterfall) -> Html:
    tail = made.tails[found.case]
    unit = unit_for(cents / 100 for cents in (*tail.var, *tail.es))
    rows, names = [], [made.first.plan.run, *(NAMES[step.name] for step in found.steps)]
    for number, (name, var, es) in enumerate(zip(names, tail.var, tail.es, strict=False)):
        changes = ("", "")
        if number:
            changes = (
                _plus(unit, (var - tail.var[number - 1]) / 100),
                _plus(unit, (es - tail.es[number - 1]) / 100),
            )
        rows.append([name, unit.text(var / 100), changes[0], unit.text(es / 100), changes[1]])
    name = Currency(made.currency).name(unit)
    return table(
        f"{name}, after each step: the losses of every scenario were followed, and leave "
        f"{made.largest_residual / 100:,.2f} in none.",
        ["After", f"VaR {tail.level:g} %", "Change", f"ES {tail.level:g} %", "Change"],
        rows,
    )


def _movers(made: Comparison, movers: Sequence[Mover]) -> Html:
    exact = Unit(1.0, "", "")

    def why(mover: Mover) -> str:
        if mover.kind != "changed":
            return mover.kind
        largest = sorted(mover.steps.items(), key=lambda step: -abs(step[1]))
        return ", ".join(f"{NAMES[name]} {_plus(exact, cents / 100)}" for name, cents in largest)

    rows = [
        [
            mover.account_id,
            exact.text(mover.before / 100),
            exact.text(mover.after / 100),
            _plus(exact, (mover.after - mover.before) / 100),
            cell("", why(mover)),
        ]
        for mover in movers
    ]
    caption = f"{made.currency}: the loans whose expected loss changed most."
    return table(caption, ["AccountID", made.first.plan.run, made.second.plan.run, "Change", "By"], rows)


def _chart(made: Comparison, found: Waterfall) -> Html:
    """The expected loss as steps from one run's to the other's."""
    currency = Currency(made.currency)
    names = [made.first.plan.run, *(NAMES[step.name] for step in found.steps), made.second.plan.run]
    levels = [0, found.before]
    for step in found.steps:
        levels.append(levels[-1] + step.cents)
    low = min(levels[1:]) * 0.9 if min(levels[1:]) > max(levels) / 2 else 0.0  # differences, not the whole
    high = max(levels) or 1
    room = (high - low) or 1.0

    def y(cents: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (cents - low) / room

    width = (_RIGHT - _LEFT) / len(names)
    shapes: list[Html] = [line(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, "axis")]
    for number, name in enumerate(names):
        whole = number in (0, len(names) - 1)
        start, end = (low, levels[1] if not number else levels[-1]) if whole else (levels[number], levels[number + 1])
        colour = "case0" if whole else "case1" if end > start else "case2"
        left = _LEFT + number * width
        top = min(y(start), y(end))
        shapes.append(
            tag("rect", x=left + 6, y=top, width=width - 12, height=max(abs(y(start) - y(end)), 1.0),
                class_=f"bar {colour}")
        )  # fmt: skip
        label = currency.money(end / 100) if whole else _signed(currency, int(end - start))
        shapes.append(text_at(left + width / 2, top - 6, label, "middle"))
        shapes.append(text_at(left + width / 2, _BOTTOM + 18, name[:14], "middle", "title"))
    description = "; ".join(f"{NAMES[step.name]} {_signed(currency, step.cents)}" for step in found.steps)
    note = "" if not low else " The bars begin above zero, so that the steps can be seen."
    return tag(
        "figure",
        svg(f"steps-{found.case}", f"Expected loss, step by step: {humanise(found.case)}", description, 310, *shapes),
        tag("figcaption", f"Expected loss from {names[0]} to {names[-1]}; the table has it to the cent.{note}"),
    )


def _guide(made: Comparison) -> Html:
    entries = [
        ("New and repaid", "Loans that only one of the runs has, by AccountID."),
        ("Exposure, PD, LGD", "What the other loans' own data changes, one after the other in this order: the expected "
         "loss in proportion to the exposure, then to the PD, then all the rest of its change."),
        ("Parameters", "What other model parameters change, of all loans of the second run."),
        ("Scenarios", "What other rates or shifts of the case of this name change. For a loss in a scenario: nothing, "
         "as both runs have the same ones."),
        ("Residual", "What the steps leave of the published change. It is nothing, or something is wrong."),
    ]  # fmt: skip
    items = (tag("div", tag("dt", name), tag("dd", text)) for name, text in entries)
    return section("How to read this", tag("dl", *items, class_="guide"))


def _signed(currency: Currency, cents: int) -> str:
    text = currency.money(cents / 100)
    return text if cents <= 0 else f"+{text}"


def _plus(unit: Unit, amount: float) -> str:
    text = unit.text(amount)
    return f"+{text}" if amount > 0 else text


def _share(share: float) -> str:
    return percent(share).replace("-", "−")


def _text(unit: Unit, amount: float | None) -> str:
    return MISSING if amount is None else unit.text(amount)
