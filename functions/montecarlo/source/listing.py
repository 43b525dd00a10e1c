"""Which objects a portfolio consists of: a single object, a manifest, an S3 Inventory, or everything under a prefix.

What is found is dealt out to groups: a group's document names its objects, or its shares of an inventory.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Protocol

from montecarlo.errors import InvalidPortfolio, shown
from montecarlo.limits import MOST_LISTED
from montecarlo.portfolio.files import format_of
from montecarlo.portfolio.mapping import ALL_FILES, Files
from montecarlo.source import inventory
from montecarlo.source.cutting import pinned
from montecarlo.source.grouping import ChooseGroups, deal
from montecarlo.source.inventory import Inventory
from montecarlo.source.objects import ETAG, Census, InputObject, is_key, is_passed_over
from montecarlo.source.reading import READERS
from montecarlo.storage.store import NoSuchObject, Store

MANIFEST_SCHEMA = 1

MOST_WITHOUT_ETAG = 250_000
"""Objects of a manifest whose ETags Plan asks for, one request each; its time allows for no more."""

MOST_STATED = 10**15
"""Bytes or rows of one object; more is nonsense."""

GroupDocument = dict[str, Any]


class Listing(Protocol):
    """A portfolio's objects. `census` and `digest` hold for all of them after `groups` has come to its end."""

    census: Census

    @property
    def bucket(self) -> str:
        """The bucket that holds the objects."""

    @property
    def as_of(self) -> date | None:
        """The reporting date where a manifest tells."""

    @property
    def digest(self) -> str:
        """SHA-256 of the names, sizes and, where they are known, ETags of all objects."""

    def groups(
        self, chunk_loans: int, choose: ChooseGroups, starts: Collection[str] = ()
    ) -> Iterator[tuple[GroupDocument, float]]:
        """What each group is to read, as JSON, and about how many chunks that makes; to be taken once.

        When `choose` is called, the census is complete. starts: see `grouping.deal`; an inventory's objects are not
        known then.
        """


@dataclass
class Objects:
    """Objects that come one after the other, in the order of their keys or of a manifest."""

    bucket: str
    objects: Iterable[InputObject]
    as_of: date | None = None
    census: Census = field(default_factory=Census)

    @property
    def digest(self) -> str:
        """See `Listing`."""
        return self.census.digest

    def groups(
        self, chunk_loans: int, choose: ChooseGroups, starts: Collection[str] = ()
    ) -> Iterator[tuple[GroupDocument, float]]:
        """See `Listing`."""
        for group, chunks in deal(self.census.count(self.objects), chunk_loans, choose, starts):
            yield {"objects": group}, chunks


@dataclass
class Inventoried:
    """Objects that an S3 Inventory lists. The census is a guess."""

    inventory: Inventory
    census: Census
    as_of: date | None = None

    @property
    def bucket(self) -> str:
        """The bucket that holds the objects."""
        return self.inventory.bucket

    @property
    def digest(self) -> str:
        """See `Listing`."""
        return self.inventory.digest

    def groups(
        self,
        chunk_loans: int,
        choose: ChooseGroups,
        starts: Collection[str] = (),  # noqa: ARG002
    ) -> Iterator[tuple[GroupDocument, float]]:
        """See `Listing`."""
        for shares, chunks in inventory.deal(self.inventory, self.census, chunk_loans, choose):
            yield {"inventory": self.inventory.to_json(shares)}, chunks


def group_objects(document: GroupDocument, store: Store) -> Iterator[InputObject]:
    """The objects of a group. `store`: where the inventory's files lie."""
    if "inventory" in document:
        return inventory.objects(Inventory.from_json(document["inventory"]), store)
    return (InputObject(**entry) for entry in document["objects"])


def find_objects(store: Store, source: str, files: Files = ALL_FILES) -> Listing:
    """The objects of `source`, a key or a prefix of the store.

    A prefix with a manifest.json is what the manifest says; under any other, names that start with '_' or '.' are
    passed over, as Spark and Hive do. files: which of the objects under a prefix, by their paths there, and in an
    inventory, by their keys, are the portfolio's. Raises InvalidPortfolio where nothing is found.
    """
    if source.endswith("manifest.json"):
        return _from_manifest(store, source, files)
    if format_of(source):
        return Objects(store.bucket, [_single(store, source)])
    prefix = source if source.endswith("/") or not source else f"{source}/"
    if store.exists(f"{prefix}manifest.json"):
        return _from_manifest(store, f"{prefix}manifest.json", files)
    return Objects(store.bucket, _under(store, prefix, files))


def manifest(objects: list[InputObject], as_of: str, **more: Any) -> dict[str, Any]:
    """The manifest of a portfolio: its objects with their sizes, rows and ETags, and its reporting date."""
    return {
        "schema": MANIFEST_SCHEMA,
        "as_of": as_of,
        "loans": sum(item.rows or 0 for item in objects),
        **more,
        "objects": [item.to_json() for item in objects],
    }


def _from_manifest(store: Store, key: str, files: Files) -> Listing:
    where = store.url(key)
    try:
        document = json.loads(store.get(key))
    except NoSuchObject as error:
        raise InvalidPortfolio(f"{error} It was given as the portfolio's manifest: check its name.") from None
    except (ValueError, RecursionError):
        raise InvalidPortfolio(f"{where} is no JSON, so it is no portfolio manifest. Write it again.") from None
    if isinstance(document, Mapping) and "fileSchema" in document:
        listed = replace(Inventory.parse(document, where), chosen=files)
        return Inventoried(listed, inventory.survey(listed, store))
    if not isinstance(document, Mapping) or document.get("schema") != MANIFEST_SCHEMA:
        raise InvalidPortfolio(
            f'{where} must be an object with "schema": {MANIFEST_SCHEMA}, or the manifest of an S3 Inventory.'
        )
    objects = _all_pinned(_stated_objects(document, where), store, where)
    return Objects(store.bucket, objects, _stated_date(document, where))


def _all_pinned(objects: list[InputObject], store: Store, where: str) -> list[InputObject]:
    """The objects of a manifest with their ETags, so that the listing's digest tells when one is written again."""
    without = sum(item.etag is None for item in objects)
    if without > MOST_WITHOUT_ETAG:
        raise InvalidPortfolio(
            f"{where} names {without:,} objects without an etag, too many to ask S3 about each one (at most "
            f"{MOST_WITHOUT_ETAG:,}): state their ETags in it."
        )
    try:
        with ThreadPoolExecutor(READERS) as pool:
            return list(pool.map(lambda item: pinned(item, store), objects)) if without else objects
    except NoSuchObject as error:
        raise InvalidPortfolio(f"{error} {where} names it: upload it, or correct the manifest.") from None


def _stated_objects(manifest: Mapping[str, Any], where: str) -> list[InputObject]:
    entries = manifest.get("objects")
    if not isinstance(entries, list):
        raise InvalidPortfolio(f'{where} must have in "objects" a list of {{"key": ..., "size": ..., "rows": ...}}.')
    objects = [_stated_object(entry, f"{where}, object {number:,},") for number, entry in enumerate(entries, 1)]
    keys = Counter(item.key for item in objects)
    if len(keys) < len(objects):
        twice = next(key for key, times in keys.items() if times > 1)
        raise InvalidPortfolio(f"{where} names {shown(twice)} more than once. Name each object once.")
    return objects


def _stated_object(entry: Any, where: str) -> InputObject:
    """One entry of a manifest, if its types are right; whether it is true is for those who read the object."""
    if not isinstance(entry, Mapping):
        raise InvalidPortfolio(f"{where} must be an object with key, size and perhaps rows and etag.")
    key, etag = entry.get("key"), entry.get("etag")
    if not is_key(key):
        raise InvalidPortfolio(f"{where} must have as its key the name of an object, not {shown(key)}.")
    size, rows = (_stated_number(entry, name, where) for name in ("size", "rows"))
    if size is None:
        raise InvalidPortfolio(f"{where} must have a size, in bytes.")
    if etag is not None and (not isinstance(etag, str) or not ETAG.fullmatch(etag)):
        raise InvalidPortfolio(f"{where} must have as its etag the object's ETag without quotes, not {shown(etag)}.")
    return InputObject(str(key), size, rows, etag)


def _stated_number(entry: Mapping[str, Any], name: str, where: str) -> int | None:
    value = entry.get(name)
    if value is None or (type(value) is int and 0 <= value <= MOST_STATED):
        return value
    raise InvalidPortfolio(f"{where} must have as its {name} a whole number from 0 up, not {shown(value)}.")


def _stated_date(manifest: Mapping[str, Any], where: str) -> date | None:
    as_of = manifest.get("as_of")
    if as_of is None:
        return None
    try:
        return date.fromisoformat(as_of)
    except (TypeError, ValueError):
        raise InvalidPortfolio(f"{where} must have as as_of a date such as 2026-01-31, not {shown(as_of)}.") from None


def _single(store: Store, key: str) -> InputObject:
    try:
        found = store.head(key)
    except NoSuchObject as error:
        raise InvalidPortfolio(f"{error} It was given as the portfolio: check its name.") from None
    return InputObject(key, found.size, etag=found.etag)


def _under(store: Store, prefix: str, files: Files) -> Iterator[InputObject]:
    found = 0
    for item in store.list(prefix):
        path = item.key.removeprefix(prefix)
        if item.size and not is_passed_over(path) and files.take(path):
            found += 1
            if found > MOST_LISTED:
                raise InvalidPortfolio(
                    f"{store.url(prefix)} holds more than {MOST_LISTED:,} objects, too many to list one after the "
                    "other: let S3 Inventory list them, and give its manifest.json as the portfolio."
                )
            yield InputObject(item.key, item.size, etag=item.etag)
    if not found:
        chosen = "" if files == ALL_FILES else " that the mapping's files take"
        raise InvalidPortfolio(
            f"{store.url(prefix)} holds no object with anything in it{chosen}: check the portfolio's place."
        )
