"""Limits of AWS Step Functions that shape a run, and what this project keeps to so that it stays below them and within
the time and the memory of its functions.

Source: AWS Step Functions Developer Guide, "Service quotas". Imports nothing.
"""

PAYLOAD_BYTES = 256 * 1024
"""Of a state's input or output."""

INLINE_ITERATIONS = 40
"""An Inline Map runs at most so many iterations at once: the groups of a run."""

MAP_RUN_CHILDREN = 10_000
"""A Distributed Map runs at most so many children at once: the chunks of a group."""

HISTORY_EVENTS = 25_000
"""In an execution's history; with more it fails."""

EVENTS_PER_GROUP = 18
"""In the execution's history: five each for PlanGroup and ReduceGroup, four for Chunks, two for ChunksLeft, and two."""

MAX_GROUPS = 1_000
"""Of a run with all its waves. Their events leave a quarter of the history for retries and what else is there."""

OBJECTS_PER_GROUP = 100_000
"""PlanGroup looks at every one of them and names it in its list of chunks."""

OBJECTS_PER_CHUNK = 2_000
"""About so many of their names fit into CHUNK_BYTES."""

CHUNK_BYTES = 200 * 1024
"""Of a chunk's slices as JSON, so that they fit into a child's input with what the state machine adds."""

MOST_LISTED = 5_000_000
"""Objects that the planner lists itself: a listing brings 1,000 objects in about 0.1 s, and it has 15 minutes."""

SMALL_BYTES = 1 << 20
"""An object up to this size is read with one request."""

PILOT_OBJECTS = 32
"""About so many objects are looked into by Plan."""

EXACT_LOANS = 100_000_000
"""About so many AccountIDs are compared, at most, unless the run asks for all."""

RANGE_KEYS = 4_000_000
"""About so many of their keys are compared at once: 100 MB."""

BATCH_KEYS = 16_000_000
"""So many keys of a group's chunks are brought together at once: 400 MB."""
