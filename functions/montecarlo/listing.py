"""Which objects a portfolio consists of: a single object, a manifest, or everything under a prefix."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from montecarlo.errors import InvalidPortfolio
from montecarlo.planning import InputObject
from montecarlo.portfolio import format_of
from montecarlo.storage import NoSuchObject, Store

MANIFEST_SCHEMA = 1


@dataclass(frozen=True)
class Listing:
    """The portfolio's objects in the order of their keys, and its reporting date where a manifest tells."""

    objects: list[InputObject]
    as_of: date | None = None


def find_objects(store: Store, source: str) -> Listing:
    """The objects of `source`, a key or a prefix of the store.

    A prefix with a manifest.json is what the manifest says. Raises InvalidPortfolio where nothing is found, or where
    the prefix holds something that is no portfolio file (names that start with '_' or '.' are passed over, as Spark
    and Hive do).
    """
    if source.endswith("manifest.json"):
        return _from_manifest(store, source)
    if format_of(source):
        return Listing([InputObject(source, _size(store, source))])
    prefix = source if source.endswith("/") or not source else f"{source}/"
    found = [item for item in store.list(prefix) if item.size and not _is_hidden(item.key.removeprefix(prefix))]
    if any(item.key == f"{prefix}manifest.json" for item in found):
        return _from_manifest(store, f"{prefix}manifest.json")
    if not found:
        raise InvalidPortfolio(f"{store.url(prefix)} holds no object with anything in it: check the portfolio's place.")
    return Listing([InputObject(item.key, item.size) for item in found])


def manifest(objects: list[InputObject], as_of: str, **more: Any) -> dict[str, Any]:
    """The manifest of a portfolio: its objects with their sizes and rows, and its reporting date."""
    rows = [{"key": item.key, "size": item.size, "rows": item.rows} for item in objects]
    return {
        "schema": MANIFEST_SCHEMA,
        "as_of": as_of,
        "loans": sum(item.rows or 0 for item in objects),
        **more,
        "objects": rows,
    }


def _from_manifest(store: Store, key: str) -> Listing:
    try:
        document = json.loads(store.get(key))
        if not isinstance(document, Mapping) or document.get("schema") != MANIFEST_SCHEMA:
            raise InvalidPortfolio(f'{store.url(key)} must be an object with "schema": {MANIFEST_SCHEMA}.')
        objects = [InputObject(entry["key"], int(entry["size"]), entry.get("rows")) for entry in document["objects"]]
        as_of = document.get("as_of")
        return Listing(objects, date.fromisoformat(as_of) if as_of else None)
    except NoSuchObject as error:
        raise InvalidPortfolio(f"{error} It was given as the portfolio's manifest.") from None
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidPortfolio(
            f"{store.url(key)} is no portfolio manifest: {error!r}. "
            'It must have "objects", a list of {"key": ..., "size": ..., "rows": ...}.'
        ) from error


def _size(store: Store, key: str) -> int:
    try:
        return store.size(key)
    except NoSuchObject as error:
        raise InvalidPortfolio(f"{error} It was given as the portfolio.") from None


def _is_hidden(path: str) -> bool:
    return any(part.startswith(("_", ".")) for part in path.split("/"))
