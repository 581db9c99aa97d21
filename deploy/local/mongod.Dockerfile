# A MongoDB to try out and to test with, where no registry of images can be reached; takes the command and the ports of
# the official image. See docs/adr/0005 for where the program comes from.
ARG BASE=filemill/base

FROM ${BASE} AS build
WORKDIR /src
COPY deploy/images/install deploy/images/live deploy/images/
COPY requirements/build.txt requirements/
RUN --mount=type=secret,id=ca --mount=type=secret,id=pip deploy/images/install --tools
COPY requirements/mongod.txt requirements/
RUN --mount=type=secret,id=ca --mount=type=secret,id=pip deploy/images/install mongod \
    && find /opt/filemill -name mongod -type f -exec install -m 755 {} /usr/local/bin/mongod ";"

FROM ${BASE}
RUN --mount=type=bind,source=deploy/images/settle,target=/settle \
    /settle libcurl4 && install --directory --owner filemill /data/db
COPY --from=build /usr/local/bin/mongod /usr/local/bin/mongod
USER 10001:10001
VOLUME /data/db
EXPOSE 27017
CMD ["mongod", "--bind_ip_all"]
