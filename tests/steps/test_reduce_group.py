"""ReduceGroup: the sum of what was planned, of nothing less and nothing else."""

import pytest

from montecarlo.errors import IncompleteRun
from montecarlo.run.partial import Partial
from montecarlo.steps import reduce_group
from montecarlo.storage import keys
from tests.memory_run import MemoryHost

EVENT = {"run": "june", "group": 0}


def test_it_adds_up_all_chunks(finished: MemoryHost) -> None:
    assert reduce_group.step(EVENT, finished) == {"group": 0, "chunks": 4, "loans": 300}
    total = Partial.from_bytes(finished.s3.objects[keys.group_partial("june", 0)])
    parts = [Partial.from_bytes(finished.s3.objects[keys.chunk_partial("june", 0, chunk)]) for chunk in range(4)]
    assert (total.segments.losses == sum(part.segments.losses for part in parts)).all()


def test_a_chunk_that_is_missing_is_found(finished: MemoryHost) -> None:
    del finished.s3.objects[keys.chunk_partial("june", 0, 2)]
    with pytest.raises(IncompleteRun, match=r"chunk-000002\.npz does not exist"):
        reduce_group.step(EVENT, finished)


def test_a_chunk_in_the_place_of_another_is_found(finished: MemoryHost) -> None:
    objects = finished.s3.objects
    objects[keys.chunk_partial("june", 0, 2)] = objects[keys.chunk_partial("june", 0, 1)]
    with pytest.raises(IncompleteRun, match=r"chunk \(0, 2\) of run june holds \[\(0, 1\)\]"):
        reduce_group.step(EVENT, finished)
