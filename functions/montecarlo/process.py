"""What the operating system says of this process. Imports the standard library only."""

import resource
import sys


def peak_memory_mb() -> float:
    """The most memory this process ever held, in MB (for a warm function: since it started)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
