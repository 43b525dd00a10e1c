"""Where the rows of a CSV end, whatever its cells hold: the one count of rows that cutting and reading go by.

A quote opens a cell only at the cell's start, and is doubled inside it; elsewhere it is text. Line breaks (LF, CR LF or
CR) inside a quoted cell end no row. Lines without any character are no rows. Which characters are delimiter and quote
the dialect says, and whether one takes its meaning from the next: the escape. Each is one byte.

Imports numpy, our errors and the room's dialect only.
"""

import re

import numpy as np
from numpy.typing import NDArray

from montecarlo.errors import InvalidPortfolio
from montecarlo.portfolio.dialect import PLAIN, Dialect

Offsets = NDArray[np.int64]

MAX_ROW_BYTES = 1 << 20
"""Of a row: Arrow parses a CSV in blocks of this size, and a row must not cross two of their borders."""

_LF, _CR = b"\n\r"
_BEGIN = np.zeros(1, np.int64)
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class RowScanner:
    """Finds the ends of a CSV's rows as its bytes go by, in the memory of one block and one row.

    A quote that is never closed swallows the rows behind it, up to the end of the file or to the next quote. So a file
    is refused that ends inside a quoted cell, or in which text follows a quoted cell that holds a line break.
    """

    def __init__(self, name: str, dialect: Dialect = PLAIN) -> None:
        self.name = name
        self._quote = (dialect.quote or "").encode()
        delimiter, quote = re.escape(dialect.delimiter.encode()), re.escape(self._quote)
        self._escape = (dialect.escape or "").encode()
        escape = re.escape(self._escape)
        inside, escaped = rb"[^%b%b]" % (quote, escape), rb"|%b." % escape if escape else b""
        doubled = rb"(?:%b%b%b)" % (quote, quote, escaped)
        # An unclosed quote reaches to the end of the data and leaves the group empty.
        self._quoted_cell = re.compile(
            rb"(?s)(?:\A|(?<=[%b\r\n]))%b%b*(?:%b%b*)*(%b?)" % (delimiter, quote, inside, doubled, inside, quote)
            if quote
            else rb"(?!)"
        )
        self._escaped = re.compile(rb"(?s)%b." % escape)
        self._after_cell = np.zeros(256, np.bool_)
        self._after_cell[[*dialect.delimiter.encode(), _LF, _CR]] = True
        self.rows = 0
        """Rows that have ended so far, the header being one."""
        self.header_end = 0
        """The offset where the header ends, once it has."""
        self._offset = 0
        self._rest = b""  # of the row that has not ended yet

    def feed(self, block: bytes) -> Offsets:
        """The offsets in the file where rows end, line breaks included, of the rows that end in this block.

        Raises InvalidPortfolio that names the row which is too long or has a quote that is not closed.
        """
        text = self._rest + block
        if self._offset == 0 and BYTE_ORDER_MARK.startswith(text[:3]):
            if len(text) < len(BYTE_ORDER_MARK):
                self._rest = text
                return np.empty(0, np.int64)
            self._offset, text = len(BYTE_ORDER_MARK), text[len(BYTE_ORDER_MARK) :]
        ends = self._row_ends(text)
        stop = int(ends[-1]) if len(ends) else 0
        if len(text) > MAX_ROW_BYTES:
            self._check_lengths(text, ends)
        filled = _filled(text, ends)
        ends = self._count(filled + self._offset)
        self._offset, self._rest = self._offset + stop, text[stop:]
        return ends

    def finish(self) -> Offsets:
        """The end of the last row where no line break ends it. Raises InvalidPortfolio where a quote is not closed."""
        text = b"" if self._offset == 0 and BYTE_ORDER_MARK.startswith(self._rest) else self._rest
        for cell in self._quoted_cell.finditer(text):
            if not cell[1]:
                raise self._unclosed(self.rows)
        last = _filled(text, np.array([len(text)])) + self._offset if text else np.empty(0, np.int64)
        self._rest = b""
        return self._count(last)

    def _count(self, ends: Offsets) -> Offsets:
        if not self.rows and len(ends):
            self.header_end = int(ends[0])
        self.rows += len(ends)
        return ends

    def _row_ends(self, text: bytes) -> Offsets:
        """Ends of the rows in `text`, which begins with a row. What follows the last is not known to be whole."""
        data = np.frombuffer(text, dtype=np.uint8)
        breaks = np.flatnonzero(data == _LF) + 1
        if b"\r" in text:
            returns = np.flatnonzero(data[:-1] == _CR)  # one at the end may be half of a line break
            breaks = np.sort(np.concatenate([breaks, returns[data[returns + 1] != _LF] + 1]))
        if self._escape and self._escape in text:
            escaped = np.array([found.end() for found in self._escaped.finditer(text)])
            breaks = breaks[~np.isin(breaks, escaped)]
            return self._row_ends_one_by_one(text, breaks)
        if not self._quote or self._quote not in text:
            return breaks
        quote = self._quote[0]
        quotes = np.flatnonzero(data == quote)
        opening, closing = quotes[::2], quotes[1::2]
        # Every second quote opens a cell or is the second of a doubled one, and every other one closes a cell or is the
        # first of a doubled one.
        opens = (opening == 0) | self._after_cell[data[opening - 1]] | (data[opening - 1] == quote)
        following = data[np.minimum(closing + 1, len(data) - 1)]
        closes = self._after_cell[following] | (following == quote)
        if opens.all() and closes.all():
            return np.asarray(breaks[np.searchsorted(quotes, breaks) % 2 == 0])
        return self._row_ends_one_by_one(text, breaks)

    def _row_ends_one_by_one(self, text: bytes, breaks: Offsets) -> Offsets:
        """As `_row_ends`, for texts with quotes that are text: ten times slower."""
        inside = np.zeros(len(text) + 1, dtype=np.int8)
        torn = []
        for cell in self._quoted_cell.finditer(text):
            start, stop = cell.span()
            inside[start + 1] += 1
            inside[stop] -= 1
            if cell[1] and stop < len(text) and not self._after_cell[text[stop]] and re.search(rb"[\r\n]", cell[0]):
                torn.append(start)
        ends = np.asarray(breaks[np.cumsum(inside)[breaks - 1] == 0])
        if torn:
            before = ends[: np.searchsorted(ends, torn[0], side="right")]
            raise self._unclosed(self.rows + len(_filled(text, before)))
        return ends

    def _check_lengths(self, text: bytes, ends: Offsets) -> None:
        too_long = np.flatnonzero(np.diff(ends, prepend=0, append=len(text)) > MAX_ROW_BYTES)
        if len(too_long):
            row = self.rows + len(_filled(text, ends[: too_long[0]]))
            raise InvalidPortfolio(
                f"{self.name}: {_named(row)} is longer than {MAX_ROW_BYTES:,} bytes, or a quote in it is never closed. "
                "Correct it."
            )

    def _unclosed(self, row: int) -> InvalidPortfolio:
        return InvalidPortfolio(
            f"{self.name} has a quote in {_named(row)} that is never closed, so that it swallows rows. Close or remove "
            "it; inside a quoted cell a quote is doubled, unless the mapping's dialect names the escape before it."
        )


def first_rows(head: bytes, rows: int, name: str, dialect: Dialect = PLAIN) -> bytes:
    """The header and up to so many whole rows of the CSV `name`, of which only the beginning is known."""
    ends = RowScanner(name, dialect).feed(head)
    return head[: ends[min(rows, len(ends) - 1)]] if len(ends) else b""


def _filled(text: bytes, ends: Offsets) -> Offsets:
    """Those of the ends that are not of a blank line: one that begins with its line break."""
    starts = np.concatenate([_BEGIN, ends])[: len(ends)]
    first = np.frombuffer(text, dtype=np.uint8)[starts]
    return np.asarray(ends[(first != _LF) & (first != _CR)])


def _named(row: int) -> str:
    return f"data row {row:,}" if row else "the header"
