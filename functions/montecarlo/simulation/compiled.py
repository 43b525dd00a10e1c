"""The kernel's inner loop as compiled C (kernel.c): the same bits as with NumPy, sooner, on machines that have it.

It is looked for when the first chunk is simulated, and kept by the process:
1. in a library beside this file, put there by `make kernel`. `sam deploy` packs it with the functions, and Lambda,
   which has no compiler, runs it; one made for another processor or from another kernel.c is not touched. Packages
   made by Terraform or for the console leave it out.
2. in the user's cache folder: $XDG_CACHE_HOME/montecarlo, or ~/.cache/montecarlo;
3. where there is a C compiler ($CC, or cc), it is built into that folder, in half a second.
Whatever fails here, the run goes on with NumPy, and its record says so. $MONTECARLO_KERNEL decides otherwise: `numpy`
does without, `c` fails where there is none.

`python -m montecarlo.simulation.compiled` builds the library beside this file, for another machine too, if $CC is a
compiler for it: `CC=aarch64-linux-gnu-gcc python -m montecarlo.simulation.compiled --machine aarch64`. Imports NumPy
and `trials` only.
"""

import argparse
import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from montecarlo.simulation.trials import Trials

SOURCE = Path(__file__).with_name("kernel.c")

OPTIONS = ("-std=c11", "-O3", "-fPIC", "-shared")
"""No option of the builder's own processor: the library runs on every machine of its kind."""

Ints = npt.NDArray[np.int64]


class CompiledError(Exception):
    """The compiled kernel was asked for and is not to be had."""


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

    def __init__(self, path: Path) -> None:
        """Load a library. Raises OSError where it is none, AttributeError where it lacks a function."""
        self.path = path
        library = ctypes.CDLL(str(path))
        self._add_losses = library.add_losses
        self._find_defaults = library.find_defaults
        self._random_words = library.random_words
        loss, region = _array(np.int64, 1), _array(np.int16, 1)
        by_region, frequency = _array(np.int64, 3), _array(np.int64, 2)
        self._add_losses.argtypes = [*_TRIALS, loss, region, loss, ctypes.c_int64, by_region, frequency]
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
    ) -> None:
        """What `numpy_kernel.add_losses` does, for losses that do not depend on the scenario."""
        regions = by_region.shape[1]
        self._add_losses(*_arguments(trials), loss, region, weights, regions, by_region, frequency)

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


def choose(kernel: str | None = None) -> Library | None:
    """The library, or None for NumPy.

    kernel: "numpy" or "c"; by default $MONTECARLO_KERNEL, or else what there is. Raises CompiledError for "c" where
    there is none, ValueError for any other name.
    """
    kernel = kernel or os.environ.get("MONTECARLO_KERNEL") or None
    if kernel not in (None, "numpy", "c"):
        raise ValueError(f"there is no kernel {kernel!r}: set MONTECARLO_KERNEL to numpy or c, or leave it unset.")
    library = None if kernel == "numpy" else load()
    if kernel == "c" and library is None:
        raise CompiledError("there is no compiled kernel here and no C compiler: install one, or see `make kernel`.")
    return library


@functools.cache
def load() -> Library | None:
    """The library from where it is found first, built if need be; None where there is none."""
    with contextlib.suppress(OSError, AttributeError, RuntimeError, CompiledError):  # RuntimeError: there is no home
        name = file_name()
        cached = cache_folder() / name
        for place in (SOURCE.with_name(name), cached):
            with contextlib.suppress(OSError, AttributeError):  # it is not there, or damaged
                return Library(place)
        return Library(build(cached))
    return None


def file_name(system: str = "", machine: str = "") -> str:
    """The library's name on a machine (this one by default): it tells for which machine and from which source."""
    made_of = hashlib.sha256(SOURCE.read_bytes() + " ".join(OPTIONS).encode()).hexdigest()[:16]
    return f"kernel-{system or platform.system()}-{machine or platform.machine()}-{made_of}.so".lower()


def cache_folder() -> Path:
    """Where this user's programs keep what they can make again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "montecarlo"


def build(path: Path) -> Path:
    """Compile kernel.c. Raises CompiledError where there is no compiler or it fails, OSError where it cannot be kept.

    The file appears whole or not at all: several processes may build at once.
    """
    compiler = shlex.split(os.environ.get("CC") or "cc")
    if not shutil.which(compiler[0]):
        raise CompiledError(f"there is no C compiler {compiler[0]}.")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder, path.name)
        command = [*compiler, *OPTIONS, str(SOURCE), "-o", str(made)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise CompiledError(f"{shlex.join(command)} failed:\n{done.stderr[-2000:]}")
        made.replace(path)
    return path


def main() -> int:
    """Build the library beside this file and remove those of older sources. Exit status: 0 done, 1 failed."""
    parser = argparse.ArgumentParser(
        prog="python -m montecarlo.simulation.compiled", description="Build the compiled kernel."
    )
    parser.add_argument("--system", default="", help="such as linux (default: this one)")
    parser.add_argument("--machine", default="", help="such as aarch64 or x86_64 (default: this one)")
    options = parser.parse_args()
    path = SOURCE.with_name(file_name(options.system, options.machine))
    try:
        build(path)
        if path.name == file_name():
            Library(path)
    except (CompiledError, OSError) as error:
        print(f"kernel: {error}", file=sys.stderr)
        return 1
    for other in path.parent.glob("kernel-*.so"):
        if other.stem.rpartition("-")[2] != path.stem.rpartition("-")[2]:
            other.unlink()
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
