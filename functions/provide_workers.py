"""ProvideWorkers: as many workers as the runs under way have chunks for."""

from montecarlo.host.aws_lambda import handler_of
from montecarlo.steps.provide_workers import step

handler = handler_of(step)
