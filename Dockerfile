# The harness (default) and, with --target target, the reference AIA. Any of docker, podman, buildah builds it.
ARG BASE=docker.io/library/python:3.11-slim

# What both run in: Python and a user without privileges, nothing to build with.
FROM ${BASE} AS runtime
ENV PATH=/opt/gameday/bin:$PATH \
    HOME=/tmp \
    USER=gameday \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 10001:10001

# Dependencies come before the sources, so that a change of ours leaves their layers as they were.
FROM ${BASE} AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_PREFER_BINARY=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python3 -m venv /opt/pip \
 && python3 -m venv --without-pip /opt/gameday
COPY pyproject.toml constraints.txt ./
# Left out: tests, type stubs, sources of extensions, byte code (half a second per start), Kubernetes' asynchronous twin.
RUN python3 -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb')); \
    write = lambda name, wanted: open(name, 'w').write('\n'.join(wanted)); \
    write('build.txt', p['build-system']['requires']); \
    write('harness.txt', p['project']['dependencies']); \
    write('target.txt', p['project']['optional-dependencies']['target'])" \
 && /opt/pip/bin/pip install --quiet -r build.txt \
 && /opt/pip/bin/pip --python /opt/gameday/bin/python3 install --quiet -c constraints.txt -r harness.txt \
 && find /opt/gameday/lib -type d \( -name tests -o -name __pycache__ \) -prune -exec rm -rf {} + \
 && rm -rf /opt/gameday/lib/python3.*/site-packages/kubernetes/aio \
 && find /opt/gameday/lib -type f \( -name '*.pyi' -o -name '*.py[xd]' -o -name '*.[ach]' -o -name '*.[ch]pp' \) -delete

# What the reference AIA needs beside that, in a folder of its own, so that it becomes a layer of its own.
FROM packages AS target-packages
RUN /opt/pip/bin/pip --python /opt/gameday/bin/python3 install --quiet -c constraints.txt -r target.txt --prefix /opt/extra \
 && find /opt/extra/lib -type d \( -name tests -o -name __pycache__ \) -prune -exec rm -rf {} + \
 && find /opt/extra/lib -type f \( -name '*.pyi' -o -name '*.py[xd]' -o -name '*.[ach]' -o -name '*.[ch]pp' \) -delete

FROM packages AS project
COPY . ./
RUN /opt/pip/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist . \
 && /opt/pip/bin/pip --python /opt/gameday/bin/python3 install --quiet --no-deps --prefix /opt/project dist/*.whl

FROM runtime AS harness
COPY --from=packages /opt/gameday /opt/gameday
COPY --from=project /opt/project /opt/gameday
CMD ["gameday", "--help"]

FROM harness AS target
COPY --from=target-packages /opt/extra /opt/gameday
EXPOSE 8000
CMD ["python3", "-m", "target", "--host", "0.0.0.0"]

# The last stage is what a build without --target makes.
FROM harness AS gameday
