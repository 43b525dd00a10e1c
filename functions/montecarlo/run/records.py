"""What earlier steps of a run have left in the bucket, checked when it is read."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from montecarlo import documents
from montecarlo.documents import Damaged
from montecarlo.errors import IncompleteRun
from montecarlo.storage.sealed import seal_document, unseal_document
from montecarlo.storage.store import JSON, NoSuchObject, Store

T = TypeVar("T")


def read(store: Store, key: str, kind: type[T]) -> T:
    """A document, as one of `kind`: see `documents.decode`. Raises IncompleteRun where it is missing or damaged."""
    try:
        return store.get_json(key, kind)
    except (NoSuchObject, Damaged) as error:
        raise incomplete(error) from None


def read_binary(store: Store, key: str, from_bytes: Callable[[bytes], T]) -> T:
    """What `from_bytes`, which may raise Damaged, reads. Raises IncompleteRun where it is missing or damaged."""
    try:
        return from_bytes(store.get(key))
    except NoSuchObject as error:
        raise incomplete(error) from None
    except Damaged as error:
        raise incomplete(Damaged(f"{store.url(key)} is damaged: {error}.")) from None


def read_sealed(store: Store, key: str, kind: type[T]) -> T:
    """A document that `write_sealed` has written. Raises NoSuchObject, and Damaged where anything of it was changed."""
    try:
        return documents.decode(kind, unseal_document(store.get(key)))
    except Damaged as error:
        raise Damaged(f"{store.url(key)} is damaged: {error}.") from None


def write_sealed(store: Store, key: str, document: Mapping[str, Any]) -> None:
    """Write a document with its digest in it."""
    store.put(key, seal_document(document), JSON)


def incomplete(error: NoSuchObject | Damaged) -> IncompleteRun:
    """The error for what must be there and whole: an earlier step wrote it, and somebody deleted or changed it."""
    return IncompleteRun(
        f"{error} An earlier step had written it whole: start the run again under its name, or under a new one if it "
        "comes again."
    )
