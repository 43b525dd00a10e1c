"""Entry point of the embedded AWS process: patch MiniStack, then serve until told to stop.

Settings come from the environment, set by `embedded_aws.server`; they are MiniStack's own (GATEWAY_PORT, BIND_HOST,
S3_DATA_DIR, ...), the key that the gate asks for (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) and:

    MONTECARLO_WORKERS    processes per Lambda function (default: number of CPUs)
    MONTECARLO_PROFILE    what of AWS's permissions, quotas and faults is enforced (`embedded_aws.profile`)
    MONTECARLO_WATCHED    "1": standard input is a pipe held by the parent, and its end means that the parent has gone
"""

import os
import signal
import sys
import threading

from ministack import app

from embedded_aws import (
    activities,
    capacity,
    cloudformation,
    cloudwatch,
    connections,
    containers,
    gate,
    instances,
    lambda_functions,
    permissions,
    persistence,
    policy_simulator,
    profile,
    queries,
    scheduler,
    service_quotas,
    step_functions,
)


def end_with_parent() -> None:
    """End this process and its Lambda workers as soon as the parent has closed standard input, however it ended.

    At once and without ceremony, since an execution under way could hold up an orderly end; S3's objects are on disk
    already.
    """

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()


if __name__ == "__main__":
    enforced = profile.from_environment()
    connections.patch()
    gate.patch()
    permissions.patch(enforced)
    lambda_functions.patch(enforced)
    step_functions.patch(enforced)
    activities.patch()
    containers.patch()
    capacity.patch()
    instances.patch()
    cloudformation.patch()
    cloudwatch.patch()
    policy_simulator.patch()
    queries.patch()
    scheduler.patch()
    service_quotas.patch(enforced)
    persistence.patch()
    if os.environ.get("MONTECARLO_WATCHED") == "1":
        end_with_parent()
    app.app = gate.Gate(
        app.app,
        int(os.environ["GATEWAY_PORT"]),
        os.environ["AWS_ACCESS_KEY_ID"],
        os.environ["AWS_SECRET_ACCESS_KEY"],
    )
    sys.argv = ["ministack"]
    app.main()
