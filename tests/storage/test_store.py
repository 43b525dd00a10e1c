"""A missing object is told from a refused one, also where S3 says 403 to both, and where it is written meanwhile."""

from collections.abc import Callable
from typing import Any

import pytest

from montecarlo.errors import InvalidInput
from montecarlo.storage.store import NoSuchObject, Store
from tests.faults.faulty_s3 import FaultyS3, answer

KEY = "runs/june/plan.json"
READS: dict[str, Callable[[Store], bytes]] = {
    "get": lambda store: store.get(KEY),
    "range": lambda store: store.get_range(KEY, 0, 4),
    "stream": lambda store: b"".join(store.stream(KEY)),
    "read": lambda store: store.read(KEY)[0],
    "head": lambda store: b"plan"[: store.head(KEY).size],
}


class Hiding(FaultyS3):
    """S3 for a role that may not list the bucket: of a missing object it says 403."""

    def _find(self, key: str) -> bytes:
        if key not in self.objects:
            raise answer("AccessDenied", 403)
        return self.objects[key]


@pytest.fixture
def hiding() -> tuple[Store, Hiding]:
    s3: Any = Hiding()
    return Store("bucket", s3), s3


@pytest.mark.parametrize("how", READS)
def test_a_missing_object_is_missing(how: str, hiding: tuple[Store, Hiding]) -> None:
    with pytest.raises(NoSuchObject):
        READS[how](hiding[0])


@pytest.mark.parametrize("how", READS)
def test_an_object_that_is_written_between_two_questions_is_there(how: str, hiding: tuple[Store, Hiding]) -> None:
    """The run's plan, which another step writes while one looks whether it is there."""
    store, s3 = hiding

    def written(_: int) -> None:
        s3.objects[KEY] = b"plan"

    s3.after = written  # once it was asked for in vain
    assert READS[how](store) == b"plan"
    assert [operation for operation, _ in s3.calls].count("list") == 1


@pytest.mark.parametrize("how", READS)
def test_an_object_that_is_there_and_refused_is_refused(how: str, hiding: tuple[Store, Hiding]) -> None:
    store, s3 = hiding
    s3.objects[KEY] = b"plan"
    s3.fail_at(0, answer("AccessDenied", 403), for_good=True)
    with pytest.raises(InvalidInput, match="S3 answered"):
        READS[how](store)
    assert len(s3.calls) == 3
