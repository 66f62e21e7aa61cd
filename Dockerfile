# Two stages: Rust builds the program, and the image holds the program, the three libraries of the system that it needs, and an
# empty data folder. There is no shell in it.
#
#     docker build --tag ostiary .
#     docker run --read-only --cap-drop ALL --publish 127.0.0.1:8080:8080 --volume ostiary:/data ostiary
#
# Pages, styles, texts, migrations and the certificate authorities of the web are in the program. Everything that it writes is in
# /data. It runs as user 10001: a folder of the host in the place of the volume has to belong to 10001 and to be closed to others
# (mode 0700).

# Everything that is not Rust comes with its source in the crates (SQLite, AWS-LC) and needs the C compiler of this
# image and nothing else.
FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --locked --release && deploy/image-root target/release/ostiary /image && install -d -m 0700 /image-of-data/data

FROM scratch
COPY --from=build /image /
# What it holds keeps its mode: only the program may look into /data.
COPY --from=build --chown=10001:10001 /image-of-data /
USER 10001:10001
WORKDIR /data
VOLUME /data
# The container's own loopback can't be reached from outside. SQLite's temporary files find no other place to be written. The C
# library keeps some ten megabytes less for itself (docs/performance.md).
ENV OSTIARY_SERVER__LISTEN=0.0.0.0:8080 \
    OSTIARY_SERVER__DATA_DIR=/data \
    SQLITE_TMPDIR=/data \
    MALLOC_ARENA_MAX=2 \
    MALLOC_TRIM_THRESHOLD_=131072 \
    PATH=/usr/local/bin
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["ostiary", "health"]
ENTRYPOINT ["/usr/local/bin/ostiary"]
