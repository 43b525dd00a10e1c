"""The compiled kernel: the functions of kernel.c as Python calls, for NumPy's bits in a third of the time.

`binary` says where the machine code comes from. Whatever fails there, the run goes on with NumPy, the log says why, and
the run's record says so. Imports NumPy, `binary` and `trials` only.
"""

import ctypes
import functools
import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt

from montecarlo.simulation import binary
from montecarlo.simulation.binary import Binary, CompiledError
from montecarlo.simulation.trials import Rows, Trials

logger = logging.getLogger(__name__)

Ints = npt.NDArray[np.int64]


def _array(kind: type[np.generic], dimensions: int) -> type:
    """Makes ctypes refuse an array of another type, shape or memory layout."""
    return np.ctypeslib.ndpointer(kind, dimensions, flags="C_CONTIGUOUS")


_TRIALS = [
    ctypes.c_uint64,
    *[ctypes.c_int64] * 4,
    _array(np.uint32, 1),
    _array(np.int32, 1),
    _array(np.uint64, 1),
    _array(np.int32, 2),
]


class Library:
    """The functions of kernel.c. ctypes lets other threads run while they do."""

    def __init__(self, made: Binary) -> None:
        """Load a library. Raises OSError where it is none, AttributeError where it lacks a function."""
        self.binary = made
        library = binary.opened(made)
        self._add_losses = library.add_losses
        self._find_defaults = library.find_defaults
        self._random_words = library.random_words
        loss, region = _array(np.int64, 1), _array(np.int16, 1)
        by_region, frequency = _array(np.int64, 3), _array(np.int64, 2)
        by_row = [ctypes.c_int64, _array(np.int32, 2), ctypes.c_int64, by_region]
        self._add_losses.argtypes = [*_TRIALS, loss, region, loss, ctypes.c_int64, by_region, frequency, *by_row]
        self._find_defaults.argtypes = [*_TRIALS, _array(np.int64, 2), _array(np.int64, 1)]
        self._random_words.argtypes = [ctypes.c_uint64, ctypes.c_uint64, ctypes.c_int64, _array(np.uint64, 1)]
        for function in (self._add_losses, self._find_defaults, self._random_words):
            function.restype = None

    def add_losses(
        self,
        trials: Trials,
        loss: Ints,
        region: npt.NDArray[np.int16],
        weights: Ints,
        by_region: Ints,
        frequency: Ints,
        rows: Rows,
        by_row: Ints,
    ) -> None:
        """What `numpy_kernel.add_losses` does, for losses that do not depend on the scenario."""
        further = len(rows.row), np.ascontiguousarray(rows.row), rows.count, by_row
        self._add_losses(*_arguments(trials), loss, region, weights, by_region.shape[1], by_region, frequency, *further)

    def find(self, trials: Trials) -> list[tuple[Ints, Ints]]:
        """What `numpy_kernel.Finder.find` does, the defaults in no order. Takes 8 bytes a trial and case."""
        defaults = np.empty((trials.cases, len(trials) * trials.scenarios), dtype=np.int64)
        found = np.empty(trials.cases, dtype=np.int64)
        self._find_defaults(*_arguments(trials), defaults, found)
        positions = [defaults[case, :count] // trials.scenarios for case, count in enumerate(found)]
        return [
            (position, defaults[case, : position.size] - position * trials.scenarios)
            for case, position in enumerate(positions)
        ]

    def random_words(self, seed: int, key: int, words: int) -> npt.NDArray[np.uint64]:
        """np.random.Philox(key=[seed, key]).random_raw(words), for a multiple of 4."""
        out = np.empty(words, dtype=np.uint64)
        self._random_words(seed, key, words, out)
        return out


def _arguments(trials: Trials) -> tuple[object, ...]:
    return (
        trials.seed,
        trials.first_scenario,
        trials.scenarios,
        trials.cases,
        len(trials),
        trials.phi,
        trials.drift,
        trials.key,
        np.ascontiguousarray(trials.alpha),
    )


@functools.cache
def load(cache: Path | None) -> Library | None:
    """The library from where it is found first, kept by the process; None, and the log says why, where there is none.

    cache: the user's cache folder, for systems and processors that none is carried for.
    """
    refused = []
    for take in (binary.carried, functools.partial(binary.kept, cache), functools.partial(binary.built, cache)):
        try:
            return Library(take())
        except (CompiledError, OSError, AttributeError) as error:
            refused.append(str(error))
    logger.warning("NumPy simulates, for there is no compiled kernel: %s.", "; ".join(refused))
    return None
