"""How files write their cells: what stands between and around them, and how numbers are spelled.

Imports the standard library only.
"""

from dataclasses import dataclass

DELIMITERS = (",", ";", "\t", "|", ":", "^", "~", " ", "\x01", "\x1f")
QUOTES = ('"', "'", None)
ESCAPES = (None, "\\")
MINUSES = ("before", "behind")
DECIMALS = (".", ",")
THOUSANDS = (",", ".", " ", "'", "_")
ENCODINGS = ("utf-8", "latin-1", "iso-8859-2", "iso-8859-15", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp437",
             "cp850", "mac-roman")  # fmt: skip
"""UTF-8, and encodings of one byte a character whose first half is ASCII: in all of them, a byte that looks like a
delimiter, a quote or a line break is one, so that a file can be cut at any row."""


@dataclass(frozen=True)
class Dialect:
    """`delimiter`, `quote` (None: no quotes), `escape` (None: quotes in quotes are doubled) and `encoding` are of CSV
    files; `decimal`, `thousands` (empty: none) and `minus`, where the sign may stand, of numbers in texts, in whatever
    file.
    """

    delimiter: str = ","
    quote: str | None = '"'
    encoding: str = "utf-8"
    decimal: str = "."
    thousands: str = ""
    escape: str | None = None
    minus: str = "before"

    @property
    def encoding_name(self) -> str:
        """As messages name the encoding."""
        return self.encoding.upper() if self.encoding == "utf-8" else self.encoding


PLAIN = Dialect()
