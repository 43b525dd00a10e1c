"""What each state of the two state machines does, one file a state.

A step is a function of its event and its host, dictionary to dictionary: `step(event, host)`. Nothing here knows
Lambda, so that a worker elsewhere runs the very same steps. May import everything but `host` and the handlers.
"""
