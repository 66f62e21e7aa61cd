# Two stages: Rust builds the program, and the image holds the program and an empty data folder.
#
#     docker build --tag ostiary .
#     docker run --read-only --cap-drop ALL --publish 127.0.0.1:8080:8080 --volume ostiary:/data ostiary
#
# Pages, styles, texts and migrations are in the program. Everything that it writes is in /data. It runs as user 10001: a folder
# of the host in the place of the volume has to belong to 10001 and to be closed to others (mode 0700).

# Everything that is not Rust comes with its source in the crates (SQLite, AWS-LC, mimalloc) and needs the C compiler of this
# image and nothing else.
FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --locked --release && install -D target/release/ostiary /image/usr/local/bin/ostiary
RUN install -d -m 0700 /image/data

FROM debian:bookworm-slim
COPY --from=build /image/usr /usr
COPY --from=build --chown=10001:10001 /image/data /data
USER 10001:10001
WORKDIR /data
VOLUME /data
# The container's own loopback can't be reached from outside. SQLite's temporary files find no other place to be written.
ENV OSTIARY_SERVER__LISTEN=0.0.0.0:8080 \
    OSTIARY_SERVER__DATA_DIR=/data \
    SQLITE_TMPDIR=/data
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/ostiary"]
