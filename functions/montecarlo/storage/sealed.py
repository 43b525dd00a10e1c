"""Files that know whether they are whole: NumPy .npz and JSON with a SHA-256 of everything in them.

Imports NumPy and the ground floor only.
"""

import hashlib
import io
import json
import struct
import tokenize
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from montecarlo.arrays import Arrays, digest
from montecarlo.documents import Damaged, parse

_SEAL = "sha256"

_UNREADABLE = (
    *(BadZipFile, zlib.error, struct.error, EOFError, OSError, NotImplementedError, RuntimeError, MemoryError),
    *(ValueError, KeyError, AttributeError, TypeError, SyntaxError, OverflowError, tokenize.TokenError),
)
"""What NumPy and zipfile raise for bytes that are no such file."""


def seal(arrays: Arrays, compress: bool = False) -> bytes:
    """The arrays as an .npz file with their digest."""
    buffer = io.BytesIO()
    sealed: dict[str, Any] = {**arrays, _SEAL: np.frombuffer(_digest(arrays), dtype=np.uint8)}
    (np.savez_compressed if compress else np.savez)(buffer, **sealed)
    return buffer.getvalue()


def unseal(data: bytes) -> dict[str, npt.NDArray[Any]]:
    """Reverse of `seal`. Raises Damaged."""
    arrays = load(data)
    sealed = arrays.pop(_SEAL, None)
    if sealed is None or sealed.tobytes() != _digest(arrays):
        raise Damaged("its content does not match its SHA-256")
    return arrays


def load(data: bytes) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an .npz file. Raises Damaged where it is none."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return {name: np.asarray(file[name]) for name in file.files}
    except _UNREADABLE as error:
        raise Damaged(f"it cannot be read ({type(error).__name__})") from error


def member(file: BinaryIO, name: str) -> npt.NDArray[Any]:
    """One array of a seekable .npz file, of which no more is read than that. Raises Damaged where it is not there."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return np.asarray(arrays[name])
    except _UNREADABLE as error:
        raise Damaged(f"it cannot be read ({type(error).__name__})") from error


def _digest(arrays: Arrays) -> bytes:
    """The digest of the arrays, whatever their order."""
    return digest(dict(sorted(arrays.items())))


def seal_document(document: Mapping[str, Any]) -> bytes:
    """An object as JSON, with its digest under the key sha256."""
    return json.dumps({**document, _SEAL: _document_digest(document)}, indent=1, ensure_ascii=False).encode()


def unseal_document(data: bytes) -> dict[str, Any]:
    """Reverse of `seal_document`. Raises Damaged."""
    document = parse(data)
    if not isinstance(document, dict):
        raise Damaged("it is no object")
    sealed = document.pop(_SEAL, None)
    if sealed != _document_digest(document):
        raise Damaged("its content does not match its SHA-256")
    return document


def _document_digest(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
