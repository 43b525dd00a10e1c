"""Whatever is wrong with a sealed file is damage, in one kind of error."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.documents import Damaged
from montecarlo.storage.sealed import seal, unseal

SEALED = seal({"a": np.arange(40), "b": np.ones((2, 3), dtype=np.float32)})


def test_it_is_read_as_it_was_written() -> None:
    arrays = unseal(SEALED)
    assert np.array_equal(arrays["a"], np.arange(40))
    assert set(arrays) == {"a", "b"}


@pytest.mark.parametrize(
    "header", ["{'descr': ((", "{'descr': '<i8', 'fortran_order': False, 'shape': (", "'", "\\", "("]
)
def test_a_header_that_ends_too_soon_is_damage(header: str) -> None:
    """NumPy takes it apart as Python's own text, and fails in ways of its own."""
    text = header.encode().ljust(117) + b"\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(320))
    with pytest.raises(Damaged):
        unseal(buffer.getvalue())


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_a_changed_byte_is_damage_or_changes_nothing(place: int, mask: int) -> None:
    data = bytearray(SEALED)
    data[place] ^= mask
    try:
        arrays = unseal(bytes(data))
    except Damaged:
        return
    assert np.array_equal(arrays["a"], np.arange(40))
    assert np.array_equal(arrays["b"], np.ones((2, 3)))
