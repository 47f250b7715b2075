# One service of tminus: docker build --build-arg SERVICE=coordinator --build-arg PORT=8787 .
# The images share every layer but the last, which holds only our own packages.

FROM python:3.13-slim AS dependencies
WORKDIR /build
RUN python -m venv --without-pip /app
COPY requirements/services.txt .
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m pip --python /app/bin/python install --require-hashes --no-deps -r services.txt

FROM dependencies AS wheels
ARG SERVICE
COPY libs libs
COPY services/${SERVICE} services/${SERVICE}
RUN python -m pip --python /app/bin/python wheel --no-deps --no-build-isolation --wheel-dir /wheels \
    ./libs/* ./services/${SERVICE}

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home tminus
COPY --from=dependencies /app /app
COPY --chmod=644 deploy/ready.py /app/ready.py
ARG SERVICE
ARG PORT
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    python -m pip --python /app/bin/python install --no-deps --no-cache-dir --no-index /wheels/*.whl
# Python's own modules come without bytecode, and the service can't write any: importing them once as
# root makes every start and every health check cheaper.
RUN /app/bin/python -c "import socket, ${SERVICE}.app"
ENV PATH=/app/bin:$PATH SERVICE=${SERVICE} HOST=0.0.0.0 PORT=${PORT} LOG_FORMAT=json PYTHONUNBUFFERED=1
ARG VERSION=unreleased
LABEL org.opencontainers.image.title="tminus ${SERVICE}" \
    org.opencontainers.image.description="A countdown that every screen shows at the same instant" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.licenses="MIT"
USER 10001:10001
EXPOSE ${PORT}
HEALTHCHECK --interval=3s --timeout=5s --start-period=30s CMD ["python", "-I", "/app/ready.py"]
# exec, so that the service itself is process 1 and receives SIGTERM.
CMD ["sh", "-c", "exec python -m ${SERVICE}"]
