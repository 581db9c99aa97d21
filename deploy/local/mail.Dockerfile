# The mail catcher, for trying out. Made from the repository's root: docker build --file deploy/local/mail.Dockerfile .
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
COPY deploy/images/install deploy/images/live deploy/images/
COPY requirements/build.txt requirements/
RUN --mount=type=secret,id=ca --mount=type=secret,id=pip deploy/images/install --tools
COPY requirements/mail.txt requirements/
RUN --mount=type=secret,id=ca --mount=type=secret,id=pip deploy/images/install mail
COPY deploy/local deploy/local
RUN deploy/images/install --member deploy/local

FROM ${BASE}
RUN --mount=type=bind,source=deploy/images/settle,target=/settle /settle
COPY --from=build /opt/filemill /opt/filemill
ENV PATH=/opt/filemill/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /tmp
EXPOSE 1025 8025
ENTRYPOINT ["python", "-m", "filemill_local.catcher"]
CMD ["1025", "8025", "0.0.0.0"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Filemill mail catcher" \
      org.opencontainers.image.description="Shows the mail that it got, and delivers none" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
