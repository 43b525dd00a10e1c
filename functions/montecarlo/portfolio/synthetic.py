"""Generates a made-up loan portfolio: any range of loans of any size of portfolio, the same loans whatever the cut.

A loan is a function of (seed, index, as_of) alone. Loans come in blocks of 4,096, and block b draws from
``Philox(key=[seed, b])`` by ``random_raw``, the stream that NumPy guarantees. A part computes the blocks it touches in
full and keeps its own loans. From these bits on, only ``+ - * /`` and rounding are used, each of which IEEE 754 fixes
to the bit (no ``exp``, ``log`` or ``power``, which differ between CPUs), so the same seed gives the same portfolio on
every machine.

The distributions are judgement, shaped after the US market: `PRODUCTS` says what each kind of loan looks like. ZIP
codes are drawn by state population and need not exist. GrossIncome of a business is its gross revenue.

Imports numpy, pyarrow and this room only.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from montecarlo.portfolio.amortisation import annuity, growth, owed_share
from montecarlo.portfolio.dates import whole_months

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]

BLOCK_LOANS = 4096
ROW_GROUP_ROWS = 10_000


@dataclass(frozen=True)
class Product:
    """What the loans of one segment look like.

    amount, rate and burden are lognormal, given as median, spread (sigma), least and most.
    """

    segment: str
    share: float
    """Of the number of loans."""
    floating_share: float
    oldest: int
    """Months; loans older than this have been repaid or refinanced."""
    amount: tuple[float, float, float, float]
    """Currency."""
    rounding: float
    """Amounts are multiples of this."""
    terms: dict[int, float]
    """Months, with their shares."""
    rate: tuple[float, float, float, float]
    """% a year, at the mean term."""
    rate_per_year: float
    """What each further year of term adds to the rate, in percentage points."""
    burden: tuple[float, float, float, float]
    """12 * Payment / GrossIncome at the median amount; small loans weigh less."""


PRODUCTS: tuple[Product, ...] = (
    Product(
        "personal", share=0.40, floating_share=0.02, oldest=60,
        amount=(12_000, 0.65, 1_000, 50_000), rounding=25, terms={24: 0.05, 36: 0.58, 48: 0.07, 60: 0.30},
        rate=(12.5, 0.33, 6.0, 35.99), rate_per_year=0.4, burden=(0.075, 0.45, 0.004, 0.45),
    ),
    Product(
        "auto", share=0.32, floating_share=0.01, oldest=84,
        amount=(27_000, 0.42, 4_000, 110_000), rounding=50, terms={36: 0.06, 48: 0.10, 60: 0.27, 72: 0.42, 84: 0.15},
        rate=(7.2, 0.38, 2.9, 24.0), rate_per_year=0.2, burden=(0.085, 0.38, 0.01, 0.40),
    ),
    Product(
        "mortgage", share=0.20, floating_share=0.12, oldest=120,
        amount=(285_000, 0.52, 40_000, 1_500_000), rounding=500, terms={180: 0.13, 240: 0.06, 360: 0.81},
        rate=(5.4, 0.17, 2.5, 9.5), rate_per_year=0.02, burden=(0.20, 0.30, 0.03, 0.50),
    ),
    Product(
        "small_business", share=0.06, floating_share=0.55, oldest=84,
        amount=(85_000, 0.85, 5_000, 1_000_000), rounding=500,
        terms={24: 0.08, 36: 0.18, 60: 0.34, 84: 0.16, 120: 0.24},
        rate=(9.4, 0.22, 5.5, 22.0), rate_per_year=0.05, burden=(0.10, 0.55, 0.005, 0.60),
    ),
    Product(
        "commercial", share=0.02, floating_share=0.70, oldest=84, amount=(900_000, 0.95, 100_000, 25_000_000),
        rounding=5_000, terms={60: 0.32, 84: 0.26, 120: 0.24, 180: 0.08, 240: 0.10},
        rate=(7.0, 0.15, 4.0, 13.0), rate_per_year=0.03, burden=(0.09, 0.50, 0.005, 0.60),
    ),
)  # fmt: skip

# State, residents in thousands (2020 Census), first and last three-digit ZIP prefix (USPS).
ZIP_PREFIXES: tuple[tuple[str, int, int, int], ...] = (
    ("AL", 5024, 350, 369), ("AK", 733, 995, 999), ("AZ", 7152, 850, 865), ("AR", 3012, 716, 729),
    ("CA", 39538, 900, 961), ("CO", 5774, 800, 816), ("CT", 3606, 60, 69), ("DE", 990, 197, 199),
    ("DC", 690, 200, 205), ("FL", 21538, 320, 349), ("GA", 10712, 300, 319), ("HI", 1455, 967, 968),
    ("ID", 1839, 832, 838), ("IL", 12813, 600, 629), ("IN", 6786, 460, 479), ("IA", 3190, 500, 528),
    ("KS", 2938, 660, 679), ("KY", 4506, 400, 427), ("LA", 4658, 700, 714), ("ME", 1362, 39, 49),
    ("MD", 6177, 206, 219), ("MA", 7030, 10, 27), ("MI", 10077, 480, 499), ("MN", 5706, 550, 567),
    ("MS", 2961, 386, 397), ("MO", 6155, 630, 658), ("MT", 1084, 590, 599), ("NE", 1962, 680, 693),
    ("NV", 3105, 889, 898), ("NH", 1378, 30, 38), ("NJ", 9289, 70, 89), ("NM", 2118, 870, 884),
    ("NY", 20201, 100, 149), ("NC", 10439, 270, 289), ("ND", 779, 580, 588), ("OH", 11799, 430, 459),
    ("OK", 3959, 730, 749), ("OR", 4237, 970, 979), ("PA", 13003, 150, 196), ("RI", 1097, 28, 29),
    ("SC", 5118, 290, 299), ("SD", 887, 570, 577), ("TN", 6911, 370, 385), ("TX", 29146, 750, 799),
    ("UT", 3272, 840, 847), ("VT", 643, 50, 59), ("VA", 8631, 220, 246), ("WA", 7705, 980, 994),
    ("WV", 1794, 247, 268), ("WI", 5894, 530, 549), ("WY", 577, 820, 831),
)  # fmt: skip

_SCHEMA = pa.schema(
    {
        "AccountID": pa.string(),
        "ZipCode": pa.string(),
        "Rate": pa.float64(),
        "Payment": pa.float64(),
        "LoanAmount": pa.float64(),
        "LoanTerm": pa.int64(),
        "OriginationDate": pa.date32(),
        "GrossIncome": pa.float64(),
        "Balance": pa.float64(),
        "RateType": pa.string(),
        "Segment": pa.string(),
    }
)


def generate(first: int, count: int, seed: int, as_of: date) -> pa.Table:
    """Loans ``first .. first + count - 1`` of the portfolio of `seed` (0 to 2**64 - 1), as held on `as_of`."""
    return blocks_of(_generate_block, _SCHEMA, first, count, seed, as_of)


def blocks_of(
    generate_block: Callable[[int, int, np.datetime64], pa.Table],
    schema: pa.Schema,
    first: int,
    count: int,
    seed: int,
    as_of: date,
) -> pa.Table:
    """Loans ``first .. first + count - 1``, cut from the blocks that hold them."""
    blocks = range(first // BLOCK_LOANS, -(-(first + count) // BLOCK_LOANS)) if count else ()
    tables = [generate_block(block, seed, np.datetime64(as_of, "D")) for block in blocks]
    table = pa.concat_tables(tables) if tables else schema.empty_table()
    return table.slice(first % BLOCK_LOANS, count).combine_chunks()


_DECIMALS = {"PD": 4, "LGD": 4, "OriginationPD": 6}


def to_csv(table: pa.Table) -> bytes:
    """CSV with a header; money and rates with two decimals, PDs and LGDs with four."""
    buffer = io.BytesIO()
    in_cents = [
        pc.cast(table[name], pa.decimal128(18, _DECIMALS.get(name, 2)))
        if pa.types.is_floating(table[name].type)
        else table[name]
        for name in table.column_names
    ]
    options = pa_csv.WriteOptions(quoting_style="needed")
    pa_csv.write_csv(pa.table(in_cents, table.column_names), buffer, options)
    return buffer.getvalue()


def _generate_block(block: int, seed: int, as_of: np.datetime64) -> pa.Table:
    bits = Bits(seed, block)
    product = bits.choice([product.share for product in PRODUCTS])
    quality = bits.normal()  # of the borrower: higher is worse, which shows in rate and burden alike
    size = bits.normal()

    amount = _lognormal([p.amount for p in PRODUCTS], product, size)
    rounding = _of_each(product, [p.rounding for p in PRODUCTS])
    amount = np.rint(amount / rounding) * rounding

    drawn_terms = [bits.choice(list(p.terms.values())) for p in PRODUCTS]
    terms = [np.array(list(p.terms))[drawn] for p, drawn in zip(PRODUCTS, drawn_terms, strict=True)]
    term = np.choose(product, terms).astype(np.int64)

    rate = _lognormal([p.rate for p in PRODUCTS], product, 0.9 * quality + 0.4359 * bits.normal())
    longer = (term - _of_each(product, [_mean(p.terms) for p in PRODUCTS])) / 12
    rate = rate + longer * _of_each(product, [p.rate_per_year for p in PRODUCTS])
    rate = to_cents(np.maximum(rate, _of_each(product, [p.rate[2] for p in PRODUCTS])))
    monthly = rate / 1200
    payment = to_cents(amount * annuity(monthly, term))

    spread = _of_each(product, [p.amount[1] for p in PRODUCTS])
    noise = 0.4 * quality + 0.9165 * bits.normal()
    burden = _lognormal([p.burden for p in PRODUCTS], product, noise, shift=0.45 * spread * size)
    income = np.rint(12 * payment / burden)

    oldest = np.minimum(term, _of_each(product, [p.oldest for p in PRODUCTS]))
    recent = bits.uniform()  # squared: a growing book holds more young loans than old ones
    days = np.floor(recent * recent * (oldest - 1) * 30).astype(np.int64)
    origination = as_of - days.astype("timedelta64[D]")
    age = whole_months(origination, as_of)
    balance = to_cents(amount * owed_share(monthly, term, age))

    floating = bits.uniform() < _of_each(product, [p.floating_share for p in PRODUCTS])
    index = block * BLOCK_LOANS + np.arange(BLOCK_LOANS)
    columns = [
        numbered("LN-", index, 10),
        numbered("", draw_zip(bits), 5),
        rate,
        payment,
        amount,
        term,
        origination,
        income,
        balance,
        np.where(floating, "floating", "fixed"),
        np.array([p.segment for p in PRODUCTS])[product],
    ]
    return pa.table(
        [pa.array(column, kind) for column, kind in zip(columns, _SCHEMA.types, strict=True)], schema=_SCHEMA
    )


class Bits:
    """The random bits of one block: one draw of each kind is an array of BLOCK_LOANS."""

    def __init__(self, seed: int, block: int) -> None:
        self._philox = np.random.Philox(key=np.array([seed, block], np.uint64))

    def words(self) -> Words:
        """64 bits each."""
        return np.asarray(self._philox.random_raw(BLOCK_LOANS))

    def uniform(self) -> Floats:
        """In [0, 1), with 53 bits."""
        return np.asarray((self.words() >> np.uint64(11)) * 2.0**-53)

    def normal(self) -> Floats:
        """Nearly standard normal: twelve 16-bit uniforms, summed (Irwin and Hall). Exact arithmetic; within 6 sigma."""
        total = np.zeros(BLOCK_LOANS)
        for word in (self.words() for _ in range(3)):
            for shift in (0, 16, 32, 48):
                total += (word >> np.uint64(shift)) & np.uint64(0xFFFF)
        return (total + 6) * 2.0**-16 - 6

    def choice(self, weights: list[float]) -> Ints:
        """An index, each with the chance of its weight."""
        bounds = np.cumsum(weights)
        return np.searchsorted(bounds[:-1] / bounds[-1], self.uniform(), side="right").astype(np.int64)


def draw_zip(bits: Bits) -> Ints:
    """A ZIP code for each loan, by the states' residents."""
    state = bits.choice([residents for _, residents, _, _ in ZIP_PREFIXES])
    low, high = (np.array([row[i] for row in ZIP_PREFIXES], np.int64)[state] for i in (2, 3))
    within: Ints = np.floor(bits.uniform() * (high - low + 1) * 100).astype(np.int64)
    return low * 100 + within


def _of_each(product: Ints, values: list[float]) -> Floats:
    return np.asarray(np.array(values, np.float64)[product])


def _mean(terms: dict[int, float]) -> float:
    return sum(term * share for term, share in terms.items()) / sum(terms.values())


def _lognormal(
    shapes: list[tuple[float, float, float, float]], product: Ints, normal: Floats, shift: Floats | float = 0.0
) -> Floats:
    """median * exp(spread * normal + shift) by each product's shape, held between its least and its most."""
    median, spread, least, most = (_of_each(product, [shape[i] for shape in shapes]) for i in range(4))
    return np.clip(median * exp(spread * normal + shift), least, most)


def exp(x: Floats) -> Floats:
    """exp(x) as (1 + x/4096)**4096: near enough for made-up data, and the same on every CPU."""
    return growth(x / 4096, np.full(len(x), 4096))


def to_cents(value: Floats) -> Floats:
    """Rounded to two decimals."""
    return np.rint(value * 100) / 100


def numbered(prefix: str, number: Ints, digits: int) -> pa.Array:
    """Texts of a prefix and a number with leading zeros."""
    text = pc.utf8_lpad(pc.cast(pa.array(number), pa.string()), digits, "0")
    return pc.binary_join_element_wise(prefix, text, "") if prefix else text
