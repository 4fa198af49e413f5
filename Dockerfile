# All images of the project, one target each. The last is the default:
#
#   docker build -t openpolicystack-orchestrator:dev .
#   docker build --target stubs -t openpolicystack-stubs:dev .
#   docker build --target kit -t openpolicystack-contract:dev .
ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS uv
# Runs a command with an optional private CA, for networks that intercept TLS; without one, or with an empty file, nothing changes.
COPY --chmod=755 <<'SCRIPT' /usr/local/bin/with-ca
#!/bin/sh
if [ -s /run/ca.pem ]; then export PIP_CERT=/run/ca.pem SSL_CERT_FILE=/run/ca.pem; fi
exec "$@"
SCRIPT
RUN python3 -m venv /opt/uv
ENV PATH=/opt/uv/bin:$PATH
RUN --mount=type=secret,id=ca_bundle,target=/run/ca.pem --mount=type=cache,target=/root/.cache \
    with-ca pip install --quiet --disable-pip-version-check uv==0.13.9
WORKDIR /src
COPY pyproject.toml uv.lock ./
COPY contract/pyproject.toml contract/
COPY harness/pyproject.toml harness/
COPY orchestrator/pyproject.toml orchestrator/
COPY stubs/pyproject.toml stubs/
ENV UV_PROJECT_ENVIRONMENT=/opt/app UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1

# In each build stage dependencies come first: they change less often than the sources and make the larger layer.
FROM uv AS stubs-build
ARG SYNC="uv sync --quiet --locked --no-default-groups --package openpolicystack-stubs"
RUN --mount=type=secret,id=ca_bundle,target=/run/ca.pem --mount=type=cache,target=/root/.cache \
    with-ca $SYNC --no-install-workspace
COPY contract contract
COPY stubs stubs
RUN --mount=type=secret,id=ca_bundle,target=/run/ca.pem --mount=type=cache,target=/root/.cache \
    with-ca $SYNC --no-editable

FROM uv AS kit-build
ARG SYNC="uv sync --quiet --locked --no-default-groups --package openpolicystack-contract --extra kit"
RUN --mount=type=secret,id=ca_bundle,target=/run/ca.pem --mount=type=cache,target=/root/.cache \
    with-ca $SYNC --no-install-workspace
COPY contract contract
RUN --mount=type=secret,id=ca_bundle,target=/run/ca.pem --mount=type=cache,target=/root/.cache \
    with-ca $SYNC --no-editable

FROM uv AS orchestrator-build
ARG SYNC="uv sync --quiet --locked --no-default-groups --package openpolicystack-orchestrator --extra cluster"
RUN --mount=type=secret,id=ca_bundle,target=/run/ca.pem --mount=type=cache,target=/root/.cache \
    with-ca $SYNC --no-install-workspace
COPY contract contract
COPY orchestrator orchestrator
RUN --mount=type=secret,id=ca_bundle,target=/run/ca.pem --mount=type=cache,target=/root/.cache \
    with-ca $SYNC --no-editable

# The base without what only builds and people need: installers, translations, manuals. Bytecode is made of what lacks it,
# since the root of a running container is read-only. Licence texts stay.
FROM ${PYTHON_IMAGE} AS slimmed
RUN <<'SCRIPT'
set -eu
installers=$(dpkg-query --show --showformat '${Package}\n' | grep -E '^python3[0-9.]*-(pip|setuptools|wheel|venv)(-whl)?$' || true)
[ -z "$installers" ] || dpkg --purge --force-depends $installers
library=$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
rm -rf "$library/ensurepip" "$library/idlelib" "$library/test" "$library/turtledemo"
rm -rf /usr/local/bin/pip* /usr/local/bin/idle* /usr/local/lib/python3*/site-packages/pip*
find /usr/share/locale /usr/share/man -mindepth 1 -delete
find /usr/share/doc -type f ! -name copyright -delete
rm -rf /root/.cache /tmp/* /var/lib/apt/lists/* /var/cache/*/* /var/log/*.log /var/log/apt
python3 -m compileall -q "$library"
SCRIPT

# What is deleted stays in the layers of an image, so the base becomes one layer, which all images share.
FROM scratch AS runtime
COPY --from=slimmed / /
ENV PATH=/opt/app/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 PYTHONUNBUFFERED=1
# release/build-arguments finds out what these are; VERSION is raised by `make version`.
ARG PYTHON_IMAGE
ARG BASE_DIGEST=
ARG REVISION=
ARG VERSION=0.2.0
LABEL org.opencontainers.image.vendor="OpenPolicyStack" \
    org.opencontainers.image.licenses="EUPL-1.2" \
    org.opencontainers.image.source="https://github.com/OpenPolicyStack/openpolicystack" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.base.name="${PYTHON_IMAGE}" \
    org.opencontainers.image.base.digest="${BASE_DIGEST}"
# Asks this container itself, so without the proxy that the environment may name.
COPY --chmod=755 <<'SCRIPT' /usr/local/bin/answers
#!/usr/bin/env python3
import http.client, os, sys
connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["OPS_PORT"]), timeout=4)
connection.request("GET", sys.argv[1])
sys.exit(connection.getresponse().status != 200)
SCRIPT

FROM runtime AS stubs
LABEL org.opencontainers.image.title="OpenPolicyStack stub modules"
COPY --from=stubs-build /opt/app /opt/app
ENV MPLCONFIGDIR=/tmp OPS_HOST=0.0.0.0 OPS_PORT=8080
EXPOSE 8080
# A named volume takes its owner from the folder that it is mounted over.
RUN install -d -o 10001 -g 10001 /var/openpolicystack/artifacts
USER 10001:10001
ENTRYPOINT ["ops-stubs", "serve"]
HEALTHCHECK --start-period=60s --start-interval=1s --interval=10s --timeout=5s --retries=3 \
    CMD ["answers", "/health"]

FROM runtime AS kit
LABEL org.opencontainers.image.title="OpenPolicyStack compliance kit"
COPY --from=kit-build /opt/app /opt/app
USER 10001:10001
ENTRYPOINT ["ops-contract"]

FROM runtime AS orchestrator
LABEL org.opencontainers.image.title="OpenPolicyStack orchestrator"
COPY --from=orchestrator-build /opt/app /opt/app
COPY orchestrator/as-owner-of-runs /usr/local/bin/
WORKDIR /app
COPY modules.yaml ./
# For named volumes, as above. A folder that is bound in its place keeps its owner, whom as-owner-of-runs becomes.
RUN install -d -o 10001 -g 10001 runs
ENV OPS_HOST=0.0.0.0 OPS_PORT=8000
EXPOSE 8000
ENTRYPOINT ["as-owner-of-runs"]
CMD ["ops", "serve"]
HEALTHCHECK --start-period=60s --start-interval=1s --interval=10s --timeout=5s --retries=3 \
    CMD ["answers", "/ready"]
