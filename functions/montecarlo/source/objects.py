"""The objects of a portfolio, what is known of all of them together, and slices of one. Pure: no AWS, no files."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from montecarlo.errors import InvalidPortfolio
from montecarlo.portfolio.files import Format, format_of

SAMPLED_OBJECTS = 64
"""A census keeps at least half as many objects, evenly spread, for a first look at the portfolio."""

BOOKKEEPING = ("manifest.json", "parts.json")
"""Files that lie beside a portfolio's own, such as those of a generated one."""

TYPICAL_ROW_BYTES = {"csv": 80, "csv.gz": 30, "parquet": 45}
"""For guessing an object's rows before it is read; the balance of the groups and the estimated cost depend on it."""


MAX_KEY_BYTES = 1024
ETAG = re.compile(r"[!#-~]{1,128}")
"""An ETag without its quotes."""


def is_key(value: object) -> bool:
    """Whether S3 could have an object of this name."""
    try:
        return isinstance(value, str) and 0 < len(value.encode()) <= MAX_KEY_BYTES
    except UnicodeEncodeError:  # JSON may hold half a character
        return False


@dataclass(frozen=True)
class InputObject:
    """One object of the portfolio; `etag` where the listing has it.

    `rows` is what a manifest states. It serves to estimate; what is read must then have as many.
    """

    key: str
    size: int
    rows: int | None = None
    etag: str | None = None

    @property
    def format(self) -> Format:
        """Raises InvalidPortfolio if the key's ending tells none."""
        format = format_of(self.key)
        if format is None:
            raise InvalidPortfolio(
                f"{self.key}: the name must end in .csv, .csv.gz or .parquet; rename the object, move it elsewhere, or "
                "have the mapping's files ignore it."
            )
        return format

    @property
    def estimated_rows(self) -> int:
        """The number of rows, or a guess from the size."""
        return self.rows if self.rows is not None else max(1, self.size // TYPICAL_ROW_BYTES[self.format])

    def to_json(self) -> dict[str, Any]:
        """The fields that are known."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass
class Census:
    """What is known of a portfolio's objects after all have gone by, whatever their number."""

    objects: int = 0
    size: int = 0
    rows: int = 0
    """As far as known, else guessed from the sizes."""
    sample: list[InputObject] = field(default_factory=list)
    """Objects evenly spread over the portfolio, all of a small one. It depends on nothing but the objects."""
    _step: int = 1
    _digest: Any = field(default_factory=hashlib.sha256)

    def count(self, objects: Iterable[InputObject]) -> Iterator[InputObject]:
        """Hand the objects on and take them into account."""
        for item in objects:
            if self.objects % self._step == 0:
                self.sample.append(item)
                if len(self.sample) > SAMPLED_OBJECTS:
                    self.sample, self._step = self.sample[::2], self._step * 2
            self.objects += 1
            self.size += item.size
            self.rows += item.estimated_rows
            self._digest.update(json.dumps(item.to_json()).encode())
            yield item

    @property
    def to_scan(self) -> int:
        """About how many bytes are CSV, which is read to find where its rows end."""
        scanned = sum(item.size for item in self.sample if item.format != "parquet")
        return round(self.size * scanned / max(1, sum(item.size for item in self.sample)))

    @property
    def digest(self) -> str:
        """SHA-256 over all objects with their sizes, rows and ETags, in their order."""
        digest: str = self._digest.hexdigest()
        return digest


@dataclass(frozen=True)
class Slice:
    """Rows of one object, in the order of the file.

    `rows`: first and one past the last, or None for the whole object. `bytes`: where those rows lie, for formats that
    can be cut there. `header`: the bytes of a CSV's header line. `size`: the object's, 0 where it is not known.
    `etag`: what the object must still have when it is read. `holds`: how many rows a manifest states of a whole object.
    """

    key: str
    size: int
    format: Format
    rows: tuple[int, int] | None = None
    bytes: tuple[int, int] | None = None
    header: tuple[int, int] | None = None
    etag: str | None = None
    holds: int | None = None

    @property
    def estimated_rows(self) -> int:
        """The rows as far as they are known, else guessed from the size."""
        known = self.rows[1] - self.rows[0] if self.rows else self.holds
        return InputObject(self.key, self.size, known).estimated_rows

    def to_json(self) -> dict[str, Any]:
        """The fields that are known."""
        return {name: value for name, value in vars(self).items() if value is not None}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Slice":
        """The slice of such fields."""
        pairs = {name: tuple(value[name]) for name in ("rows", "bytes", "header") if name in value}
        return cls(
            value["key"],
            value.get("size", 0),
            value["format"],
            **pairs,
            etag=value.get("etag"),
            holds=value.get("holds"),
        )


def is_passed_over(path: str) -> bool:
    """Whether an object below the portfolio's place is none of its files: hidden as in Spark and Hive, or our own."""
    *_, name = path.split("/")
    return name in BOOKKEEPING or any(part.startswith(("_", ".")) for part in path.split("/"))
