"""Portfolios listed by an S3 Inventory, as S3 itself writes it: a manifest.json that names files, which name objects.

Nobody ever reads it as a whole: the planner looks at the heads of some files and deals shares of the files out to
groups, and each group reads its own shares. Source: Amazon S3 User Guide, "Amazon S3 Inventory".
"""

import csv
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import groupby, islice, pairwise
from typing import Any, Self
from urllib.parse import unquote_plus

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from montecarlo.cost import schedule
from montecarlo.errors import InvalidPortfolio
from montecarlo.limits import MAX_GROUPS, OBJECTS_PER_CHUNK
from montecarlo.portfolio.mapping import ALL_FILES, Files
from montecarlo.source.grouping import ChooseGroups
from montecarlo.source.objects import ETAG, Census, InputObject, is_key, is_passed_over
from montecarlo.storage.store import NoSuchObject, Store

SURVEYED_FILES = 32
HEAD_BYTES = 1 << 16
HEAD_ROWS = 2_500
"""Of an inventory file that is surveyed: so many bytes of a compressed CSV hold about so many rows."""

BLOCK_ROWS = 1_000
"""A share of a file is every so many-th of its blocks of rows, so that nobody need count the rows first."""

READ_AHEAD = 8 << 20
MOST_GROUPS = 400
PIECES_PER_GROUP = 4
"""As many pieces are dealt out for each group, so that none has much more than another."""

# Our names of the columns, theirs in CSV and in Parquet files.
_CSV_NAMES = {"key": "Key", "size": "Size", "etag": "ETag", "latest": "IsLatest", "deleted": "IsDeleteMarker"}
_PARQUET_NAMES = {"key": "key", "size": "size", "etag": "e_tag", "latest": "is_latest", "deleted": "is_delete_marker"}


@dataclass(frozen=True)
class Share:
    """Some of the rows of one inventory file: of every `of` blocks, those from `number` on, `blocks` of them."""

    key: str
    size: int
    number: int = 0
    of: int = 1
    blocks: int = 1

    def holds(self, block: int) -> bool:
        """Whether a block of the file, by its number from 0, belongs to the share."""
        return self.number <= block % self.of < self.number + self.blocks


@dataclass(frozen=True)
class Inventory:
    """What manifest.json says. `bucket` is the one whose objects are listed; a CSV file's `columns` are named here."""

    bucket: str
    format: str
    columns: tuple[str, ...]
    files: tuple[Share, ...]
    digest: str
    """SHA-256 of the manifest, which has the MD5 of each file."""
    chosen: Files = ALL_FILES
    """Which of the objects are the portfolio's, by their keys."""

    @classmethod
    def parse(cls, document: Mapping[str, Any], where: str) -> Self:
        """Raises InvalidPortfolio naming what cannot be used."""
        texts = [document.get(name) for name in ("sourceBucket", "fileFormat", "fileSchema")]
        files = document.get("files")
        if not all(isinstance(text, str) for text in texts) or not isinstance(files, list):
            raise InvalidPortfolio(
                f"{where} is no S3 Inventory manifest: it needs the texts sourceBucket, fileFormat and fileSchema, and "
                "a list of files."
            )
        bucket, format, schema = map(str, texts)
        inventory = cls(
            bucket,
            format,
            columns=tuple(name.strip() for name in schema.split(",")),
            files=tuple(_file(entry, where) for entry in files),
            digest=hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest(),
        )
        if len({file.key for file in inventory.files}) < len(files):
            raise InvalidPortfolio(f"{where} names one of its files more than once. Take the manifest as S3 wrote it.")
        if inventory.format not in ("CSV", "Parquet"):
            raise InvalidPortfolio(f"{where}: the inventory is {inventory.format}; have S3 write it as CSV or Parquet.")
        if inventory.format == "CSV" and not {"Key", "Size"} <= set(inventory.columns):
            raise InvalidPortfolio(f"{where}: the inventory lacks Key or Size; add Size to its optional fields.")
        return inventory

    def to_json(self, shares: Iterable[Share]) -> dict[str, Any]:
        """The part of the inventory that `shares` are."""
        part = {**asdict(self), "files": [asdict(share) for share in shares]}
        return part if self.chosen != ALL_FILES else {name: value for name, value in part.items() if name != "chosen"}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The inventory, or a part of it, as `to_json` wrote it."""
        files = tuple(Share(**share) for share in value["files"])
        chosen = Files(**{name: tuple(patterns) for name, patterns in value.get("chosen", {}).items()})
        return cls(**{**value, "columns": tuple(value["columns"]), "files": files, "chosen": chosen})


def _file(entry: Any, where: str) -> Share:
    key, size = (entry.get("key"), entry.get("size")) if isinstance(entry, Mapping) else (None, None)
    if not is_key(key) or type(size) is not int or size < 1:
        raise InvalidPortfolio(f"{where} is no S3 Inventory manifest: each of its files needs a key and a size.")
    return Share(str(key), size)


def survey(inventory: Inventory, store: Store) -> Census:
    """A guess at the whole from the heads of up to 32 files: exact where every file is small, and there are few, and
    where the heads show none of the objects that are chosen.
    """
    step = -(-len(inventory.files) // SURVEYED_FILES) or 1
    heads, seen = Census(), 0.0
    for file in inventory.files[::step]:
        found, share = _head(inventory, file, store)
        for _ in heads.count(found):
            pass
        seen += share * file.size
    if not heads.objects and inventory.chosen != ALL_FILES:  # what is chosen may lie behind all heads
        for _ in heads.count(objects(inventory, store)):
            pass
        return heads
    factor = sum(file.size for file in inventory.files) / seen if seen else 0.0
    return Census(round(heads.objects * factor), round(heads.size * factor), round(heads.rows * factor), heads.sample)


def deal(
    inventory: Inventory, census: Census, chunk_loans: int, choose: ChooseGroups
) -> Iterator[tuple[list[Share], float]]:
    """Shares of the inventory's files for each group, about as much for one as for another, and about how many chunks
    they make.

    choose: how many groups, from the chunks' worth of work in each of MAX_GROUPS equal parts of the inventory.
    """
    chunks = max(census.rows / chunk_loans, census.objects / OBJECTS_PER_CHUNK)
    number = min(choose(np.full(MAX_GROUPS, chunks / MAX_GROUPS)), MOST_GROUPS)
    bytes_each = sum(file.size for file in inventory.files) / number
    pieces = [
        Share(file.key, file.size, piece, of)
        for file in inventory.files
        for of in [max(1, round(PIECES_PER_GROUP * file.size / bytes_each))]
        for piece in range(of)
    ]
    sizes = np.array([piece.size / piece.of for piece in pieces])
    for start, stop in pairwise([0, *schedule.deal(sizes, number)]):
        # A file is read once for all its pieces.
        of_files = (list(some) for _, some in groupby(pieces[start:stop], key=lambda piece: piece.key))
        shares = [replace(some[0], blocks=len(some)) for some in of_files]
        yield shares, chunks * float(sizes[start:stop].sum() / sizes.sum())


def objects(inventory: Inventory, store: Store) -> Iterator[InputObject]:
    """The portfolio's objects among those that the inventory's shares list. Memory does not grow with their number."""
    for share in inventory.files:
        try:
            yield from _objects(_rows(inventory, share, store), inventory.chosen)
        except NoSuchObject as error:
            raise InvalidPortfolio(
                f"{error} The inventory's manifest names it: check it, or take a newer one."
            ) from None
        except _UNREADABLE:
            raise _unreadable(share.key, store) from None


Row = Mapping[str, Any]

_UNREADABLE = (zlib.error, EOFError, gzip.BadGzipFile, pa.ArrowException, ValueError, TypeError, csv.Error)
"""What damaged files raise, and rows that are not as S3 writes them."""


def _unreadable(key: str, store: Store) -> InvalidPortfolio:
    return InvalidPortfolio(
        f"the inventory file {store.url(key)} cannot be read: it is damaged, or not as S3 writes it. Have S3 write the "
        "inventory again."
    )


def _objects(rows: Iterable[Row], chosen: Files) -> Iterator[InputObject]:
    """Current objects with something in them; delete markers, older versions and bookkeeping are passed over.

    Raises ValueError where a row has not what S3 writes.
    """
    for row in rows:
        key, size, etag = row["key"], int(row["size"] or 0), row.get("etag") or None
        if not is_key(key) or not (etag is None or ETAG.fullmatch(etag)) or size < 0:
            raise ValueError
        current = str(row.get("latest", True)).lower() != "false" and str(row.get("deleted")).lower() != "true"
        if current and size and not is_passed_over(key) and chosen.take(key):
            yield InputObject(key, size, etag=etag)


def _rows(inventory: Inventory, share: Share, store: Store) -> Iterator[Row]:
    file = store.open(share.key, share.size, read_ahead=READ_AHEAD)
    if inventory.format == "Parquet":
        parquet, names = _parquet(file, share.key)
        batches = parquet.iter_batches(BLOCK_ROWS, columns=list(names.values()), use_threads=False)
        for number, batch in enumerate(batches):
            if share.holds(number):
                yield from batch.rename_columns(list(names)).to_pylist()
        return
    # A key's line breaks are encoded like its other special characters, so that a line is a row.
    lines = io.TextIOWrapper(gzip.GzipFile(fileobj=file), encoding="utf-8", newline="\n")
    blocks = iter(lambda: list(islice(lines, BLOCK_ROWS)), [])
    for number, block in enumerate(blocks):
        if share.holds(number):
            yield from _csv_rows(inventory, block)


def _csv_rows(inventory: Inventory, lines: Iterable[str]) -> Iterator[Row]:
    places = {ours: inventory.columns.index(name) for ours, name in _CSV_NAMES.items() if name in inventory.columns}
    for cells in csv.reader(lines):
        if len(cells) != len(inventory.columns):
            raise ValueError
        row = {name: cells[place] for name, place in places.items()}
        yield {**row, "key": unquote_plus(row["key"])}


def _parquet(file: io.BufferedReader, key: str) -> tuple[pq.ParquetFile, dict[str, str]]:
    """The file and its columns by our names, in the file's order."""
    parquet = pq.ParquetFile(file)
    theirs = parquet.schema_arrow.names
    names = {ours: name for ours, name in _PARQUET_NAMES.items() if name in theirs}
    if not {"key", "size"} <= set(names):
        raise InvalidPortfolio(f"the inventory file {key} lacks key or size; add Size to its optional fields.")
    return parquet, dict(sorted(names.items(), key=lambda pair: theirs.index(pair[1])))


def _head(inventory: Inventory, file: Share, store: Store) -> tuple[list[InputObject], float]:
    """The objects in some rows from a file's beginning, and the share of the file that these are."""
    try:
        if inventory.format == "Parquet":
            parquet, names = _parquet(store.open(file.key, file.size), file.key)
            batch = next(parquet.iter_batches(HEAD_ROWS, columns=list(names.values()), use_threads=False), None)
            rows = batch.rename_columns(list(names)).to_pylist() if batch else []
            return list(_objects(rows, inventory.chosen)), len(rows) / max(parquet.metadata.num_rows, 1)
        data = store.get_range(file.key, 0, min(file.size, HEAD_BYTES), size=file.size)
        text = zlib.decompressobj(wbits=31).decompress(data)
        whole = text if file.size <= HEAD_BYTES else text[: text.rfind(b"\n") + 1]
        lines = io.StringIO(whole.decode(), newline="\n")
        return list(_objects(_csv_rows(inventory, lines), inventory.chosen)), len(data) / file.size
    except NoSuchObject as error:
        raise InvalidPortfolio(f"{error} The inventory's manifest names it: check it, or take a newer one.") from None
    except _UNREADABLE:
        raise _unreadable(file.key, store) from None
