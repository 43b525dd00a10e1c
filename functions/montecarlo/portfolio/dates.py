"""Dates as portfolios write them, and the months between them.

Imports numpy only.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z?)?", re.ASCII)
_US_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)


# The months' names, the other ways to write one after a bar.
_MONTHS = {
    "en": "january february march april may june july august september october november december",
    "da": "januar februar marts april maj juni juli august september oktober november december",
    "de": "januar|jaenner|janner februar|feber maerz|marz|mrz april mai juni juli august september oktober november "
          "dezember",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre|setiembre octubre noviembre diciembre",
    "fi": "tammikuu helmikuu maaliskuu huhtikuu toukokuu kesakuu heinakuu elokuu syyskuu lokakuu marraskuu joulukuu",
    "fr": "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "nl": "januari februari maart|mrt april mei juni juli augustus september oktober november december",
    "no": "januar februar mars april mai juni juli august september oktober november desember",
    "pl": "styczen|stycznia luty|lutego marzec|marca kwiecien|kwietnia maj|maja czerwiec|czerwca lipiec|lipca "
          "sierpien|sierpnia wrzesien|wrzesnia pazdziernik|pazdziernika listopad|listopada grudzien|grudnia",
    "pt": "janeiro fevereiro marco abril maio junho julho agosto setembro outubro novembro dezembro",
    "sv": "januari februari mars april maj juni juli augusti september oktober november december",
}  # fmt: skip
LANGUAGES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    language: tuple(tuple(month.split("|")) for month in names.split()) for language, names in _MONTHS.items()
}
"""The twelve months' names by language, in small letters without accents."""

_WORD = re.compile(r"[^\W\d_]+\.?")
_NAMED = re.compile("%([bB])")


def _with_month_number(text: str, language: str) -> str:
    """The text with the number of the month instead of its name, or of a beginning of it that fits no other month.

    As it was where a word is no month. Capitals, accents and a full stop behind make no difference.
    """

    def number(word: re.Match[str]) -> str:
        plain = unicodedata.normalize("NFD", word[0].rstrip(".").casefold())
        plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
        months = [
            month
            for month, names in enumerate(LANGUAGES[language], 1)
            if any(plain == name or (len(plain) > 2 and name.startswith(plain)) for name in names)
        ]
        return f"{months[0]:02}" if len(months) == 1 else word[0]

    return _WORD.sub(number, text)


def parse_date(text: str, format: str | None, language: str | None = None) -> date | None:
    """The date that a text stands for: in strptime's format, or else YYYY-MM-DD or MM/DD/YYYY. None if it is none.

    language: one of LANGUAGES, in which %b or %B names the month, in full or shortened; as strptime's own without one.
    """
    try:
        if format and language:
            text, format = _with_month_number(text, language), _NAMED.sub("%m", format)
        if format:
            return datetime.strptime(text, format).date()
        if match := _ISO_DATE.fullmatch(text):
            year, month, day = match.groups()
        elif match := _US_DATE.fullmatch(text):
            month, day, year = match.groups()
        else:
            return None
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def is_format(format: str, language: str | None = None) -> bool:
    """Whether dates in this format can be read, and tell their year and month, by name where there is a language."""
    if language:
        if not _NAMED.search(format):
            return False
        format = _NAMED.sub("%m", format)
    try:
        read = [
            (date_, datetime.strptime(date_.strftime(format), format))
            for date_ in (date(2014, 11, 23), date(2003, 4, 5))
        ]
    except (ValueError, re.error):  # unknown directives, and those that come twice
        return False
    return all((there.year, there.month) == (back.year, back.month) for there, back in read)


def whole_months(start: NDArray[np.datetime64], end: NDArray[np.datetime64] | np.datetime64) -> Ints:
    """Whole months from start to end: a month is over when its day of the month comes round again."""
    start_month, end_month = start.astype("datetime64[M]"), end.astype("datetime64[M]")
    unfinished = (end - end_month) < (start - start_month)
    return np.asarray((end_month - start_month).astype(np.int64) - unfinished, np.int64)
