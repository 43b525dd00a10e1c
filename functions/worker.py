"""The worker of a stack without a function for chunks: simulates the chunks that an activity hands out."""

from montecarlo.host.worker import serve
from montecarlo.steps.simulate_chunk import step

if __name__ == "__main__":  # not in the processes that simulate, which import this module
    serve(step)
