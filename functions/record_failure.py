"""RecordFailure: find what made a run fail, and record it where the user will look."""

from montecarlo.host.aws_lambda import handler_of
from montecarlo.steps.record_failure import step

handler = handler_of(step)
