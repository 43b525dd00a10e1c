"""How numbers, units, amounts and names are worded. Imports the standard library only."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

BEYOND_WORDS = 1e9
"""From so many of the unit at hand on, amounts are written in powers of ten."""

MISSING = "–"
NOT_APPLICABLE = "n/a"

SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}
"""Signs that stand for one currency alone; others are named by their ISO codes."""


@dataclass(frozen=True)
class Unit:
    """One unit for all amounts of a page, so that they compare by eye."""

    size: float
    suffix: str
    word: str
    decimals: int = 2

    def text(self, amount: float) -> str:
        """An amount in this unit: 1,234.56"""
        scaled = amount / self.size
        if abs(scaled) >= BEYOND_WORDS:
            return f"{scaled:.3e}".replace("-", "−")
        text, zero, least = (f"{value:,.{self.decimals}f}" for value in (scaled, 0.0, 10.0**-self.decimals))
        if text.strip("-") == zero:
            return f"<{least}" if amount > 0 else zero
        return text.replace("-", "−")


UNITS = (
    Unit(1e12, "T", "trillion"),
    Unit(1e9, "B", "billion"),
    Unit(1e6, "M", "million"),
    Unit(1e3, "K", "thousand"),
    Unit(1.0, "", ""),
)


def unit_for(amounts: Iterable[float | None]) -> Unit:
    """The unit and decimals with which the largest amount has four digits, so that no one counts them: 57.25, 1,652"""
    largest = max((abs(amount) for amount in amounts if amount is not None), default=0.0)
    unit = next((unit for unit in UNITS if unit.size * 10 <= largest), UNITS[-1])
    whole = len(f"{largest / unit.size:.0f}")
    return replace(unit, decimals=min(max(4 - whole, 0), 2))


@dataclass(frozen=True)
class Currency:
    """The portfolio's currency by its ISO code, and how amounts in it are written."""

    code: str

    @property
    def sign(self) -> str:
        """What stands before a number: "$", or "CHF " with its space."""
        return SYMBOLS.get(self.code, f"{self.code} ")

    def name(self, unit: Unit) -> str:
        """The unit of a table: $ million"""
        return f"{self.sign.strip()} {unit.word}".strip()

    def money(self, amount: float | None) -> str:
        """Three significant digits: $82.1M, $1.02B; below a thousand to the cent."""
        number, unit = self._rounded(amount)
        return number + unit.suffix

    def spelled(self, amount: float | None) -> str:
        """The same for sentences: $82.1 million"""
        number, unit = self._rounded(amount)
        return f"{number} {unit.word}".strip()

    def _rounded(self, amount: float | None) -> tuple[str, Unit]:
        """Sign and digits, and the unit that they are in."""
        if amount is None:
            return MISSING, UNITS[-1]
        minus = "−" if amount < 0 else ""
        size = abs(amount)
        if size < 999.995:
            return f"{minus}{self.sign}{size:.2f}", UNITS[-1]
        rounded = float(f"{size:.3g}")
        unit = next(unit for unit in UNITS if unit.size <= rounded)
        scaled = rounded / unit.size
        if scaled >= BEYOND_WORDS:
            return f"{minus}{self.sign}{size:.2e}", UNITS[-1]
        return f"{minus}{self.sign}{scaled:,.{2 if scaled < 10 else 1 if scaled < 100 else 0}f}", unit

    def ticks(self, values: Sequence[float]) -> list[str]:
        """Labels of an axis, with one unit and as many decimals as the distance between them needs: $0, $2.5M, $5.0M"""
        largest = max((abs(value) for value in values), default=0.0)
        unit = next((unit for unit in UNITS if unit.size <= largest * (1 + 1e-9)), UNITS[-1])
        step = (values[1] - values[0] if len(values) > 1 else largest or 1.0) / unit.size
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        return [
            f"{self.sign}{value / unit.size:,.{decimals}f}{unit.suffix}" if value else f"{self.sign}0"
            for value in values
        ]


def percent(share: float) -> str:
    """A share of 1 in %, with two decimals or, if it is smaller than they can show, two significant digits."""
    scaled = 100 * share
    return f"{scaled:.2f} %" if scaled == 0 or abs(scaled) >= 0.01 else f"{scaled:.2g} %"


def plus_minus(share: float) -> str:
    """±1.5 %"""
    return f"±{100 * share:.2g} %" if share < 0.0995 else f"±{100 * share:,.0f} %"


def count(number: float | None) -> str:
    """A whole number with commas: 12,345"""
    if number is None:
        return MISSING
    return f"{number:,.0f}" if abs(number) < 1e15 else f"{number:.3e}"


def duration(seconds: float) -> str:
    """1 h 2 min 3 s; below a minute three significant digits"""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours:,} h {minutes} min" if hours else f"{minutes} min") + f" {rest} s"


def moment(text: str) -> str:
    """A date and time of ISO 8601 to the minute, in UTC as runs have it: 2026-01-31 12:05 UTC"""
    date, _, time = text.partition("T")
    return f"{date} {time[:5]} UTC" if time else text


def dollars(amount: float) -> str:
    """A price in US dollars, whatever the portfolio's currency."""
    return "US$ " + (f"{amount:,.2f}" if abs(amount) >= 1 or amount == 0 else f"{amount:.2g}")


def humanise(name: str) -> str:
    """credit_card -> Credit card"""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def shortened(text: str, columns: int) -> str:
    """At most so many characters, the last one "…" where some were cut off."""
    return text if len(text) <= columns else text[: columns - 1] + "…"


def record_entry(key: str, value: float | str) -> tuple[str, str]:
    """A key of the run record and its value for people; the key's ending tells a number's unit."""
    if isinstance(value, str):
        return humanise(key), value
    if key.endswith("_seconds") and not key.endswith("_gb_seconds"):
        return humanise(key.removesuffix("_seconds") + "_time"), duration(value)
    if key.endswith("_usd"):
        return humanise(key.removesuffix("_usd")), dollars(value)
    if key.endswith("_mb"):
        return humanise(key.removesuffix("_mb")), f"{value:,.0f} MB"
    return humanise(key), f"{value:,.0f}" if value.is_integer() else f"{value:,.6g}"
