"""SimulateChunk: simulate one chunk of loans in every scenario and case."""

from montecarlo.host.aws_lambda import handler_of
from montecarlo.steps.simulate_chunk import step

handler = handler_of(step)
