"""The digest of arrays: the same for the same content, another for any other."""

import numpy as np
import pytest

from montecarlo.arrays import Arrays, digest

ARRAYS: Arrays = {"a": np.arange(6, dtype=np.int32), "b": np.zeros((0, 3)), "c": np.array(7)}


def test_equal_arrays_have_one_digest() -> None:
    strided = {**ARRAYS, "a": np.arange(12, dtype=np.int32)[::2] // 2}
    assert digest(strided) == digest(ARRAYS)
    assert len(digest(ARRAYS)) == 32


@pytest.mark.parametrize(
    "other",
    [
        {**ARRAYS, "a": np.arange(6, dtype=np.int64)},
        {**ARRAYS, "a": np.arange(6, dtype=np.int32).reshape(2, 3)},
        {**ARRAYS, "a": np.arange(1, 7, dtype=np.int32)},
        {**ARRAYS, "b": np.zeros((3, 0))},
        {"d" if name == "a" else name: array for name, array in ARRAYS.items()},
        dict(reversed(list(ARRAYS.items()))),
        {name: array for name, array in ARRAYS.items() if name != "b"},
    ],
    ids=["type", "shape", "value", "empty shape", "name", "order", "one less"],
)
def test_anything_else_has_another(other: Arrays) -> None:
    assert digest(other) != digest(ARRAYS)
