"""Arrays in a file that knows whether it is whole: a NumPy .npz with a SHA-256 of everything in it.

Imports NumPy and the ground floor only.
"""

import io
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from montecarlo.arrays import Arrays, digest
from montecarlo.errors import MonteCarloError

_SEAL = "sha256"


class Damaged(MonteCarloError):
    """The file is not what was written: truncated, changed, or something else altogether."""


def seal(arrays: Arrays) -> bytes:
    """The arrays as an .npz file with their digest."""
    buffer = io.BytesIO()
    sealed: dict[str, Any] = {**arrays, _SEAL: np.frombuffer(_digest(arrays), dtype=np.uint8)}
    np.savez(buffer, **sealed)
    return buffer.getvalue()


def unseal(data: bytes) -> dict[str, npt.NDArray[Any]]:
    """Reverse of `seal`. Raises Damaged."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        sealed = arrays.pop(_SEAL).tobytes()
    except (BadZipFile, ValueError, KeyError, EOFError, OSError, NotImplementedError, AttributeError) as error:
        raise Damaged(f"it cannot be read: {error}") from error
    if sealed != _digest(arrays):
        raise Damaged("its content does not match its SHA-256")
    return arrays


def _digest(arrays: Arrays) -> bytes:
    """The digest of the arrays, whatever their order."""
    return digest(dict(sorted(arrays.items())))
