"""What follows from losses that add up: parts of a finished run worked out again, and runs added to one another.

A loan's losses are integers, and a pure function of the seed, its AccountID and the scenario. So whatever is simulated
again under a run's scenarios adds up with the run to the bit. Everything here works in the process that asks, on what a
run has left in its bucket.
"""
