"""Loans that repay otherwise than by level monthly payments, and lines: what is owed, paid, drawn, provided for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext
from importlib import import_module
from itertools import pairwise, product
from typing import Any

import numpy as np
import pyarrow as pa

from montecarlo.model import credit
from montecarlo.model.cases import Case
from montecarlo.model.parameters import Parameters, load
from montecarlo.model.scenarios import draw
from montecarlo.model.tables import model_tables
from montecarlo.model.valuation import Valuation, value
from montecarlo.portfolio.amortisation import FREQUENCIES
from montecarlo.portfolio.loans import Loans
from montecarlo.simulation import kernel
from tests.verification.engine import AS_OF, BASE, STRESSED, loans_of
from tests.verification.figures import Figure, at_most, near

PARAMETERS = load({"segments": {name: {"lgd": 0.5} for name in load().segments}})


def loans(*rows: dict[str, Any], parameters: Parameters = PARAMETERS) -> Loans:
    """Loans of 120,000 at 12 % over 24 months, PD 10 %, just paid out, with these columns changed; `age` in months."""
    told: dict[str, Any] = {"ZipCode": "10001", "Rate": 12.0, "LoanAmount": 120_000.0, "LoanTerm": 24, "PD": 0.1}
    names = dict.fromkeys(name for row in (told, *rows) for name in row if name != "age")
    table: dict[str, Any] = {name: [row.get(name, told.get(name)) for row in rows] for name in names}
    paid_out = [months_away(-row.get("age", 0)) for row in rows]
    table |= {"AccountID": [f"A{number}" for number in range(len(rows))], "OriginationDate": paid_out}
    return loans_of(pa.table(table), parameters)


def months_away(months: int) -> date:
    """A date so many months after the reporting date, or before it."""
    month = AS_OF.year * 12 + AS_OF.month - 1 + months
    return date(month // 12, month % 12 + 1, 1)


def worth(found: Loans) -> tuple[credit.LoanRisks, Valuation]:
    """The loans' risks and their valuation in two cases."""
    tables = model_tables(PARAMETERS, [BASE, STRESSED])
    risks = credit.loan_risks(found, PARAMETERS, [BASE, STRESSED], tables)
    return risks, value(found, risks, tables)


def repayment() -> list[Figure]:
    """Worked by hand, of 120,000 at 12 % over two years with PD 10 % and LGD 50 %, so EL 6,000. Linear, quarterly:
    eight payments of 15,000 with 3 % on what is left, the first one 18,600, so 6,200 a month. Balloon of 60,000,
    yearly: 60,000 at 12 % over two payments, 35,501.89 a year, with 7,200 on the balloon; after one of them 91,698.11
    is owed. Interest only for 6 months, 12 of 18 payments made: (1.01^18 - 1.01^12) / (1.01^18 - 1) of it, 42,410.40. A
    bullet's ECL: 6,000 / 1.01^6 = 5,652.27, and of the second year 0.9 * 6,000 / 1.01^18 = 4,514.49. Its interest is
    1,200 a month, and the mean date of its payments (1,200 * 300 + 120,000 * 24) / 148,800 = 21.774 months. A line of
    200,000 of which 120,000 is drawn: 120,000 + 40 % of 80,000. A rise of 4.37 points costs a floating bullet
    120,000 * 0.0437 / 12 a month more.
    """
    bullet = {"Amortisation": "bullet"}
    rows: list[dict[str, Any]] = [
        {"Amortisation": "linear", "PaymentFrequency": "quarterly", "age": 7},
        {"PaymentFrequency": "annual", "Balloon": 60_000.0, "age": 12},
        bullet,
        {"InterestOnlyUntil": months_away(12)},
        {"InterestOnlyUntil": months_away(-12), "age": 18},
        {"Limit": 200_000.0, "Balance": 120_000.0},
        {**bullet, "RateType": "floating", "Payment": 1_300.0, "GrossIncome": 1e6},
    ]
    found = loans(*rows)
    risks, valuation = worth(found)
    owed = found.owed()
    cents = 100 << credit.FRACTION_BITS
    first = found.schedule(np.arange(2)).instalment(np.zeros(2, np.int64))
    payment = credit.shocked_payment(found, np.where(found.floating, 4.37, 0.0))[6]
    half = 60_000 * 0.12 * 1.12**2 / (1.12**2 - 1)
    return [
        near("linear, quarterly, after 7 months: owed", owed[0], 90_000, 1e-6),
        near("linear, quarterly: first instalment, a month", first[0] * 120_000, 6_200, 1e-6),
        near("balloon, annual, after a year: owed", owed[1], 60_000 * 1.12 - half + 60_000, 1e-6),
        near("balloon, annual: first instalment, a month", first[1] * 120_000, (35_501.89 + 7_200) / 12, 0.001),
        near("interest only for a year: owed in it", owed[3], 120_000, 1e-6),
        near("interest only for half a year, a year later: owed", owed[4], 42_410.40, 0.005),
        near("bullet: owed", owed[2], 120_000, 0),
        near("bullet: ECL over twelve months", valuation.twelve_month[0, 2] / cents, 5_652.27, 0.005),
        near("bullet: ECL over its life", valuation.lifetime[0, 2] / cents, 5_652.27 + 4_514.49, 0.01),
        near("bullet: mean date of payments, months", _mean(found, 2), (1_200 * 300 + 120_000 * 24) / 148_800, 1e-9),
        near("line: exposure", risks.exposure[5] / 100, 152_000, 0),
        near("floating bullet: payment after the rise", payment, 1_300 + 437, 1e-6),
    ]


def _mean(found: Loans, place: int) -> float:
    rows = np.array([place])
    return float(found.schedule(rows).mean_months(found.age[rows])[0])


def collateral() -> list[Figure]:
    """Worked by hand, of 120,000 owed, all defaults: collateral of 100,000, a fifth less when it is sold, and a tenth
    of that for costs, leaves 72,000: 48,000 are lost, an LGD of 40 %. Houses 25 % cheaper leave 54,000: 66,000 are
    lost. Of what is left, three quarters are lost where a segment says so: 49,500. Collateral of 200,000 covers all in
    the base case, and 108,000 after the fall. A line of 200,000 owes 152,000 at default: 80,000. LTV is 120 %, and
    60 %.
    """
    parameters = load({"segments": {"mortgage": {"rate_sensitivity": 0}, "auto": {"unsecured_lgd": 0.75}}})
    cases = [BASE, Case("houses", BASE.fed_rate, {}, {"mortgage": -0.25, "auto": -0.25})]
    secured: dict[str, Any] = {"Segment": "mortgage", "CollateralValue": 100_000.0, "PD": 1.0}
    line = {"Limit": 200_000.0, "Balance": 120_000.0}
    rows = [secured, {**secured, "Segment": "auto"}, {**secured, "CollateralValue": 200_000.0}, {**secured, **line},
            {**secured, "LGD": 0.3}]  # fmt: skip
    found = loans(*rows)
    tables = model_tables(parameters, cases)
    risks = credit.loan_risks(found, parameters, cases, tables)
    drawn = draw(parameters, 4, 1)
    total = kernel.simulate(risks, tables, drawn, 1).by_segment.sum(axis=1)[:, 0] / 100
    return [
        near("LGD of collateral of 100,000", risks.lgd[0, 0] / 2**24, 0.4, 1e-7),
        near("after houses fell by 25 %: loss", risks.loss[1, 0] / 100, 66_000, 0),
        near("three quarters lost of what is left", risks.loss[1, 1] / 100, 49_500, 0),
        near("collateral of 200,000", risks.loss[0, 2] / 100, 0, 0),
        near("after the fall", risks.loss[1, 2] / 100, 12_000, 0),
        near("a line: loss", risks.loss[0, 3] / 100, 80_000, 0),
        near("an LGD of its own is not moved", risks.loss[1, 4] / 100, 36_000, 0),
        near("simulated, base: loss of the five", total[0], 48_000 + 36_000 + 0 + 80_000 + 36_000, 0),
        near("simulated, after the fall", total[1], 66_000 + 49_500 + 12_000 + 98_000 + 36_000, 0),
        near("LTV", found.loan_to_value[0], 1.2, 1e-12),
        near("LTV of collateral of 200,000", found.loan_to_value[2], 0.6, 1e-12),
    ]


def provisions() -> list[Figure]:
    """As textbooks have it: a loan defaults at the end of a year, on what was owed at its beginning, and what is
    lost is discounted at the loan's rate. 90,000 repaid in three equal yearly parts at 5 %, PD 2 %, LGD 40 %: 0.02
    * 0.4 * 90,000 / 1.05 = 685.71; then 0.98 * 0.02 * 0.4 * 60,000 / 1.05^2 = 426.67 and 0.98^2 * 0.02 * 0.4 *
    30,000 / 1.05^3 = 199.11. 100,000 by three level yearly payments of 40,211.48 at 10 %, PD 3 %, LGD 50 %, owes
    69,788.52 and 36,555.89 after them: 1,363.64, 839.19 and 387.63. Then a bullet over two years of 120,000, PD 10
    %, LGD 50 %, at an effective rate of 8 % of which a tenth a year is repaid early, with default in the middle of
    each year: 6,000 * (0.9 / 1.08)^0.5, and 0.9 * 6,000 * (0.9 / 1.08)^1.5 more. A quarterly bullet at 12 % is
    discounted by 3 % a quarter: 6,000 / 1.03^2, and 0.9 * 6,000 / 1.03^6. A bullet over four years without interest
    whose PDs by year are 2, 3, 4 and 4 %: 60,000 * (0.02 + 0.98 * 0.03 + 0.98 * 0.97 * 0.04 * (1 + 0.96)) =
    7,435.62.
    """
    segments: dict[str, Any] = {
        "personal": {"lgd": 0.4},
        "auto": {"lgd": 0.5},
        "mortgage": {"lgd": 0.5, "prepayment": 0.1},
    }
    yearly = {"PaymentFrequency": "annual", "LoanTerm": 36}
    segments["commercial"] = {"lgd": 0.5, "pd_by_year": [1.5, 2.0]}
    rows: list[dict[str, Any]] = [
        {**yearly, "Amortisation": "linear", "LoanAmount": 90_000.0, "Rate": 5.0, "PD": 0.02, "Segment": "personal"},
        {**yearly, "LoanAmount": 100_000.0, "Rate": 10.0, "PD": 0.03, "Segment": "auto"},
        {"Amortisation": "bullet", "EffectiveRate": 8.0, "Segment": "mortgage"},
        {"Amortisation": "bullet", "PaymentFrequency": "quarterly", "Segment": "auto"},
        {**yearly, "Amortisation": "bullet", "LoanTerm": 48, "Rate": 0.0, "PD": 0.02, "Segment": "commercial"},
    ]
    found = loans(*rows)
    ecl = {}
    for timing in ("year-end", "mid-year"):
        parameters = load({"segments": segments, "default_timing": timing})
        tables = model_tables(parameters, [BASE])
        risks = credit.loan_risks(found, parameters, [BASE], tables)
        valued = value(found, risks, tables, parameters)
        ecl[timing] = np.array([valued.twelve_month[0], valued.lifetime[0]]) / (100 << credit.FRACTION_BITS)
    (twelve_month, lifetime), middle = ecl["year-end"], ecl["mid-year"]
    early = 0.9 / 1.08
    return [
        near("linear, yearly: twelve months", twelve_month[0], 685.71, 0.005),
        near("linear, yearly: lifetime", lifetime[0], 685.71 + 426.67 + 199.11, 0.015),
        near("annuity, yearly: twelve months", twelve_month[1], 1_363.64, 0.005),
        near("annuity, yearly: lifetime", lifetime[1], 1_363.64 + 839.19 + 387.63, 0.015),
        near("bullet, effective rate, prepayments: twelve months", middle[0, 2], 6_000 * early**0.5, 0.01),
        near(
            "bullet, effective rate, prepayments: lifetime", middle[1, 2], 6_000 * (early**0.5 + 0.9 * early**1.5), 0.01
        ),
        near("PDs of 2, 3, 4 and 4 %: lifetime", lifetime[4], 7_435.62, 0.005),
        near("quarterly bullet: lifetime", middle[1, 3], 6_000 * (1.03**-2 + 0.9 * 1.03**-6), 0.01),
    ]


def monthly_provisions() -> list[Figure]:
    """A spreadsheet in decimals of 40 digits, a row for each month: who is alive defaults with the month's hazard
    at its end, on what was owed at its beginning; the payment is worked out anew from what is then owed and the
    months that are left, after it a twelfth-year's share is repaid early, and the loss is discounted from the
    month's end. 120,000 at 12 % over two years, PD 10 %, LGD 50 %, as level payments; 30 months into 120; with a
    tenth a year repaid early, an effective rate of 8 % and PDs of 2, 3 and 4 %; in equal quarterly parts; and as a
    bullet, whose twelve months have a closed form: 60,000 h / 1.01 (1 - q^12) / (1 - q) with h = 1 - 0.9^(1/12) and
    q = 0.9^(1/12) / 1.01. A card of which nothing is repaid counts for twelve months. Without interest a bullet's
    twelve months are its EL, 6,000.
    """
    segments = {
        "auto": {"lgd": 0.5},
        "mortgage": {"lgd": 0.5, "prepayment": 0.1, "pd_by_year": [1.5, 2.0]},
        "credit_card": {"lgd": 0.5},
    }
    told: dict[str, tuple[dict[str, Any], tuple[Decimal, Decimal]]] = {
        "level": ({}, _by_month(24)),
        "level, after 30 of 120 months": ({"LoanTerm": 120, "age": 30, "Balance": 95_000.0}, _by_month(90, 95_000)),
        "prepayments, effective rate, PDs by year": (
            {"LoanTerm": 36, "PD": 0.02, "EffectiveRate": 8.0, "Segment": "mortgage"},
            _by_month(36, pds=("0.02", "0.03", "0.04"), early="0.1", effective="8"),
        ),
        "equal quarterly parts": (
            {"Amortisation": "linear", "PaymentFrequency": "quarterly"}, _by_month(24, quarterly=True)
        ),
        "bullet": ({"Amortisation": "bullet"}, _by_month(24, bullet=True)),
        "bullet without interest": ({"Amortisation": "bullet", "Rate": 0.0}, _by_month(24, rate=0, bullet=True)),
        "card": ({"LoanTerm": 1, "age": 2, "Balance": 120_000.0, "Segment": "credit_card"}, _by_month(12, bullet=True)),
    }  # fmt: skip
    parameters = load({"segments": segments, "default_timing": "monthly"})
    found = loans(*({"Segment": "auto", **row} for row, _ in told.values()))
    tables = model_tables(parameters, [BASE])
    risks = credit.loan_risks(found, parameters, [BASE], tables)
    valued = value(found, risks, tables, parameters)
    cents = 100 << credit.FRACTION_BITS
    figures = []
    for number, (name, (_, expected)) in enumerate(told.items()):
        for span, values, sheet in zip(("twelve months", "lifetime"), (valued.twelve_month, valued.lifetime), expected,
                                       strict=True):  # fmt: skip
            figures.append(near(f"{name}: {span}", values[0, number] / cents, float(sheet), 0.005))
    hazard, q = 1 - 0.9 ** (1 / 12), 0.9 ** (1 / 12) / 1.01
    closed = 60_000 * hazard / 1.01 * (1 - q**12) / (1 - q)
    figures.append(near("bullet: twelve months, closed form", valued.twelve_month[0, 4] / cents, closed, 0.005))
    figures.append(near("bullet without interest: EL", valued.twelve_month[0, 5] / cents, 6_000, 0.005))
    return figures


def _by_month(
    months: int,
    owed: int = 120_000,
    rate: int = 12,
    pds: Sequence[str] = ("0.1",),
    early: str = "0",
    effective: str | None = None,
    bullet: bool = False,
    quarterly: bool = False,
) -> tuple[Decimal, Decimal]:
    """The spreadsheet: the expected loss of twelve months, and of all; LGD 50 %. rate, effective: % a year."""
    with localcontext() as context:
        context.prec = 40
        one, twelfth = Decimal(1), Decimal(1) / 12
        monthly, left, alive, lost = Decimal(rate) / 1200, Decimal(owed), one, Decimal(0)
        a_month = (one + 3 * monthly) ** (one / 3) if quarterly else one + monthly
        if effective is not None:
            a_month = (one + Decimal(effective) / 100) ** twelfth
        twelve_month = lost
        for month in range(months):
            hazard = one - (one - Decimal(pds[min(month // 12, len(pds) - 1)])) ** twelfth
            lost += alive * hazard * left / 2 / a_month ** (month + 1)
            alive -= alive * hazard
            if quarterly:
                left -= Decimal(owed) * 3 / months if month % 3 == 2 else 0
            elif not bullet:
                left = left * (one + monthly) - left * monthly / (one - (one + monthly) ** (month - months))
            left *= (one - Decimal(early)) ** twelfth
            if month == 11:
                twelve_month = lost
        return twelve_month, lost


def stages() -> list[Figure]:
    """Bullets of 120,000 at 12 % over two years, PD 10 % and LGD 50 %. Stage 1: a PD twice that at origination; 29 days
    past due; 95 days where the loan says 1. Stage 2: 30 days; 15 % where it was 5 %, exactly three times. Stage 3: 90
    days; what says so itself, with a PD of 0. In stage 1 twelve months are provided for, 6,000 / 1.01^6 = 5,652.27; in
    stage 2 the life, with 0.9 * 6,000 / 1.01^18 = 4,514.49 more, and at 15 % 9,000 / 1.01^6 + 0.85 * 9,000 / 1.01^18 =
    14,873.94; in stage 3 all that is lost, 60,000.
    """
    told: dict[str, tuple[int, float, dict[str, Any]]] = {
        "PD of 10 %, at origination 5 %": (1, 5_652.27, {"OriginationPD": 0.05}),
        "29 days past due": (1, 5_652.27, {"DaysPastDue": 29.0}),
        "its own stage 1, 95 days past due": (1, 5_652.27, {"Stage": "1", "DaysPastDue": 95.0}),
        "30 days past due": (2, 10_166.76, {"DaysPastDue": 30.0}),
        "PD of 15 %, at origination 5 %": (2, 14_873.94, {"PD": 0.15, "OriginationPD": 0.05}),
        "90 days past due": (3, 60_000, {"DaysPastDue": 90.0}),
        "its own stage 3, PD of 0": (3, 60_000, {"Stage": "3", "PD": 0.0}),
    }
    found = loans(*({"Amortisation": "bullet", **row} for _, _, row in told.values()))
    _, valued = worth(found)
    provided = np.where(found.stage == 1, valued.twelve_month[0], valued.lifetime[0]) / (100 << credit.FRACTION_BITS)
    figures = []
    for number, (name, (stage, allowance, _)) in enumerate(told.items()):
        figures += [
            near(f"{name}: stage", float(found.stage[number]), stage, 0),
            near(f"{name}: provided for", provided[number], allowance, 0.01),
        ]
    return figures


def migration() -> list[Figure]:
    """Three grades and default, by a yearly matrix: A stays A at 90 %, becomes B at 8 %, defaults at 2 %; B becomes A
    at 10 %, stays at 80 %, defaults at 10 %; P, which never defaults within a year, stays at 90 % and becomes A at 5 %
    and B at 5 %. Bullets over five years without interest, of which half is lost: 60,000 by the chance of default
    within five years, which the fifth power of the matrix tells, default being a state of it. A loan of A with a PD of
    its own of 4 % has twice the PDs of A. A grade C, whose cumulative PDs of three years are 2, 5 and 9 %, has those of
    2, 3 / 98 and 4 / 95 of a loan that is alive: over three years 60,000 * 9 %. Month by month it is the same sum.
    """
    full = np.array(
        [[0.90, 0.08, 0.00, 0.02], [0.10, 0.80, 0.00, 0.10], [0.05, 0.05, 0.90, 0.00], [0.00, 0.00, 0.00, 1.00]]
    )
    names = ("A", "B", "P")
    within = [np.linalg.matrix_power(full, years)[:3, 3] for years in range(6)]
    alive = 1 - np.array(within)[:, 0]
    twice = 1 - float(np.prod(1 - 2 * (1 - alive[1:] / alive[:-1])))
    cumulative = (0.0, 0.02, 0.05, 0.09)
    conditional = [(now - before) / (1 - before) for before, now in pairwise(cumulative)]
    bullet = {"Amortisation": "bullet", "Rate": 0.0, "LoanTerm": 60, "PD": None, "Segment": "auto"}
    half = {"default_timing": "year-end", "segments": {"auto": {"lgd": 0.5}}}

    def lifetime(grades: dict[str, Any], *rows: dict[str, Any]) -> list[float]:
        parameters = load(half | grades)
        found = loans(*(bullet | row for row in rows), parameters=parameters)
        tables = model_tables(parameters, [BASE])
        risks = credit.loan_risks(found, parameters, [BASE], tables)
        cents = value(found, risks, tables, parameters).lifetime[0] / (1 << credit.FRACTION_BITS)
        return [float(each) / 100 for each in cents]

    matrix = {"migration": {"grades": list(names), "matrix": full[:3].tolist()}}
    by_month = lifetime(matrix | {"default_timing": "monthly"}, *({"Grade": name} for name in names))
    by_matrix = lifetime(matrix, *({"Grade": name} for name in names), {"Grade": "A", "PD": 0.04})
    (by_table,) = lifetime({"grades": {"C": conditional}}, {"Grade": "C", "LoanTerm": 36})
    return [
        *(
            near(f"migration matrix, grade {name}: lifetime of five years", found, 60_000 * within[5][place], 0.005)
            for place, (name, found) in enumerate(zip(names, by_matrix, strict=False))
        ),
        *(
            near(f"migration matrix by month, grade {name}", found, 60_000 * within[5][place], 0.005)
            for place, (name, found) in enumerate(zip(names, by_month, strict=True))
        ),
        near("migration matrix, twice the PD of grade A", by_matrix[3], 60_000 * twice, 0.005),
        near("cumulative PDs of 2, 5 and 9 %: lifetime of three years", by_table, 5_400, 0.005),
    ]


@dataclass(frozen=True)
class _Terms:
    kind: str
    frequency: str
    free: int
    balloon: float
    rate: float
    term: int

    def row(self, age: int) -> dict[str, Any]:
        until = months_away(self.free - age)
        return {"Amortisation": self.kind, "PaymentFrequency": self.frequency, "InterestOnlyUntil": until,
                "Balloon": self.balloon * 120_000, "Rate": self.rate, "LoanTerm": self.term, "age": age}  # fmt: skip


def _terms() -> Iterator[_Terms]:
    for kind, frequency, free, balloon, rate in product(
        ("annuity", "linear", "bullet"), FREQUENCIES, (0, 12, 24), (0.0, 0.3), (0.0, 2.5, 11.0)
    ):
        yield _Terms(kind, frequency, free, 0.0 if kind == "bullet" else balloon, rate, 120)


def repayment_by_quantlib() -> list[Figure]:
    """QuantLib's cash flows of 216 loans of all kinds, frequencies, interest-only times and balloons: what is owed in
    nine months of their life, the first instalment, and the mean date of all payments, which is QuantLib's Macaulay
    duration without yield.
    """
    ql = import_module("QuantLib")
    today = ql.Date(AS_OF.day, AS_OF.month, AS_OF.year)
    ql.Settings.instance().evaluationDate = today
    days = ql.Thirty360(ql.Thirty360.BondBasis)
    nothing = ql.InterestRate(0.0, days, ql.Compounded, ql.Annual)
    every = {"monthly": ql.Monthly, "quarterly": ql.Quarterly, "semi-annual": ql.Semiannual, "annual": ql.Annual}
    terms = list(_terms())
    ages = (0, 1, 11, 12, 13, 30, 61, 119, 120)
    owed = loans(*(each.row(age) for each in terms for age in ages)).owed().reshape(len(terms), len(ages))
    fresh = loans(*(each.row(0) for each in terms))
    schedule, none = fresh.schedule(np.arange(len(fresh))), np.zeros(len(fresh), np.int64)
    instalments, means = schedule.instalment(none) * 120_000, schedule.mean_months(none)
    worst = dict.fromkeys(("owed", "first instalment", "mean date, months"), 0.0)
    for each, balances, instalment, mean in zip(terms, owed, instalments, means, strict=True):
        period = FREQUENCIES[each.frequency]
        free, payments = each.free // period, each.term // period
        kept = 120_000 * (1.0 if each.kind == "bullet" else each.balloon)
        part = 120_000 - kept
        left = payments - free
        if each.kind == "annuity" and each.rate:
            length = ql.Period(left * period, ql.Months)
            falling = list(ql.sinkingNotionals(length, every[each.frequency], each.rate / 100, part))[:-1]
        else:
            falling = [part * (1 - number / left) for number in range(left)]
        notionals = [120_000.0] * free + [kept + amount for amount in falling]
        end, calendar, plain = today + ql.Period(each.term, ql.Months), ql.NullCalendar(), ql.Unadjusted
        forward = ql.DateGeneration.Forward
        dates = ql.Schedule(today, end, ql.Period(period, ql.Months), calendar, plain, plain, forward, False)
        bond = ql.AmortizingFixedRateBond(0, notionals, dates, [each.rate / 100], days)
        for age, balance in zip(ages, balances.tolist(), strict=True):
            expected = notionals[age // period] if age < each.term else 0.0
            worst["owed"] = max(worst["owed"], abs(balance - expected))
        flows = bond.cashflows()
        begin = sum(flow.amount() for flow in flows if flow.date() == flows[0].date()) / period
        worst["first instalment"] = max(worst["first instalment"], abs(instalment - begin))
        duration = ql.CashFlows.duration(flows, nothing, ql.Duration.Macaulay, False, today)
        worst["mean date, months"] = max(worst["mean date, months"], abs(mean - 12 * duration))
    return [at_most(f"{name}: largest difference of {len(terms)}", value, 1e-6) for name, value in worst.items()]
