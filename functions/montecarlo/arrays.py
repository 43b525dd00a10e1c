"""What NumPy arrays are worth remembering by: one digest for everything that is checked by its content.

Imports NumPy only.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]
"""Arrays by name."""


def digest(arrays: Arrays) -> bytes:
    """SHA-256, 32 bytes, over names, types, shapes and values in the order of the mapping.

    Two mappings have the same digest if and only if they hold the same arrays under the same names in the same order.
    """
    found = hashlib.sha256()
    for name, array in arrays.items():
        found.update(f"{name}:{array.dtype.str}:{array.shape};".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.digest()
