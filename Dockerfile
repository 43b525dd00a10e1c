# The worker of a stack with workers as an image of your own: for networks without a way to the internet, and for whoever
# wants to know to the byte what runs. The stack's parameter WorkerImage names it. docs/compute.md has the commands.
#
# The base is Python 3.13.15 on Debian 13, for arm64 and x86_64. Take another by its digest, or with --build-arg BASE=...
ARG BASE=public.ecr.aws/docker/library/python:3.13-slim@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285

FROM ${BASE} AS build
COPY requirements/worker.txt /
RUN python3 -m pip install --no-cache-dir --require-hashes --only-binary :all: --no-deps --target /worker/libraries \
    --requirement /worker.txt
COPY functions /worker/code
# Compiled here, as nothing can be written where it runs; by content, so that the files' times do not matter.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /worker

FROM ${BASE}
COPY --from=build /worker /worker
ENV PYTHONPATH=/worker/libraries PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# Nobody, by number, so that any system knows it is not root. A volume over /tmp has the rights of the image's own.
RUN chmod 1777 /tmp
VOLUME /tmp
USER 65534:65534
ENTRYPOINT ["python3", "/worker/code/worker.py"]
