"""The loans and the borrowers that contribute most to the tail, case by case."""

from collections.abc import Sequence

from montecarlo.model.measures import Z_95
from montecarlo.report.markup import Html, cell, details, section, table
from montecarlo.report.view import ContributionsView, ContributionView, ResultView
from montecarlo.report.words import MISSING, count, humanise, percent

SHOWN = 10
"""Loans, and borrowers, of the first case that are there at once; the rest unfolds."""


def contributions_section(result: ResultView) -> Html:
    """Tables of loans and borrowers, that of the first case first; nothing where the run was not asked for them."""
    cases = [(case.name, result.contributions[case.name]) for case in result.cases if case.name in result.contributions]
    if not cases:
        return Html()
    name, first = cases[0]
    shown = _tables(result, name, first, SHOWN)
    if len(first.loans) > SHOWN or len(first.borrowers) > SHOWN:
        shown.append(details(f"All that are named, {name}", *_tables(result, name, first), on_paper=False))
    for name, found in cases[1:]:
        shown.append(details(f"In the case {name}", *_tables(result, name, found), on_paper=False))
    return section("Contributions of loans" + (" and borrowers" if first.other_borrowers else ""), *shown)


def _tables(result: ResultView, case: str, found: ContributionsView, most: int | None = None) -> list[Html]:
    money = result.currency.money
    told = (
        f"{case}: what each contributes to ES {found.level} %, {money(found.es)}, and to economic capital"
        f" {found.level} %, {money(found.capital)}; below zero where it loses less than usual when VaR is lost."
    )
    loans = table(
        f"The loans that contribute most. {told} Small figures: half the 95 % interval.",
        ["Loan", "Segment", "Exposure", "ES", "Of ES", "Economic capital"],
        [[one.name, humanise(one.kind or MISSING), *_amounts(result, one)] for one in found.loans[:most]],
        _foot(result, found, found.loans[len(found.loans[:most]) :], found.others),
    )
    if found.other_borrowers is None:
        return [loans]
    borrowers = table(
        f"The borrowers that contribute most. {told}",
        ["Borrower", "Loans", "Exposure", "ES", "Of ES", "Economic capital"],
        [[one.name, count(one.loans), *_amounts(result, one)] for one in found.borrowers[:most]],
        _foot(result, found, found.borrowers[len(found.borrowers[:most]) :], found.other_borrowers),
    )
    return [loans, borrowers]


def _amounts(result: ResultView, one: ContributionView) -> list[str]:
    money = result.currency.money
    half = "" if one.error is None else f"± {money(Z_95 * one.error)}"
    share = MISSING if one.share is None else percent(one.share)
    return [money(one.exposure), cell(money(one.es), half), share, money(one.capital)]


def _foot(
    result: ResultView, found: ContributionsView, left: Sequence[ContributionView], others: ContributionView
) -> list[str]:
    """All that have no row, so that the columns add up to the whole. left: those that are named, but not here."""
    number = None if others.loans is None else others.loans + len(left)
    es = _sum([others.es, *(one.es for one in left)])
    capital = _sum([others.capital, *(one.capital for one in left)])
    share = MISSING if es is None or not found.es else percent(es / found.es)
    money = result.currency.money
    return [f"{count(number)} others", "", "", money(es), share, money(capital)]


def _sum(amounts: Sequence[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None
