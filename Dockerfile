# One static binary, the certificates it trusts, and a directory for its state.
#
#   docker build --build-arg REVISION="$(git rev-parse HEAD)" --tag hex-token-exporter .

# Which stage brings the files: `build` compiles them, `prebuilt` takes them from dist/, for builders that
# reach no registry.
ARG FILES_FROM=build

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
# Static, and not by way of musl: glibc's allocator and resolver. A target has to be named, or the flags
# would hold for build scripts and procedural macros too.
ENV RUSTFLAGS="-C target-feature=+crt-static"
# The crates alone: a layer that lasts until Cargo.lock changes.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
    && touch src/lib.rs \
    && echo 'fn main() {}' >src/main.rs \
    && cargo build --release --locked --target "$(rustc --print host-tuple)" \
    && rm -r src
COPY build.rs askama.toml ./
COPY src src
ARG REVISION=unknown
RUN touch src/lib.rs src/main.rs \
    && BUILD_REVISION="$REVISION" cargo build --release --locked --target "$(rustc --print host-tuple)" \
    && mkdir -p /out/bin /out/etc/ssl/certs /out/var/lib/hex-token-exporter \
    && objcopy --strip-debug "target/$(rustc --print host-tuple)/release/hex-token-exporter" /out/bin/hex-token-exporter \
    && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/

FROM scratch AS prebuilt
COPY dist/ /out/

# hadolint ignore=DL3006
FROM ${FILES_FROM} AS files

FROM scratch
ARG REVISION=unknown
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="hex-token-exporter" \
      org.opencontainers.image.description="Tells Prometheus and people whether Hex (hex.tech) API tokens still live, why not, and for how long" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=files /out/bin /bin
COPY --from=files /out/etc /etc
COPY --from=files --chown=65532:65532 /out/var/lib/hex-token-exporter /var/lib/hex-token-exporter
# The one place to write to; `demo` keeps its files there.
ENV TMPDIR=/var/lib/hex-token-exporter
# Two heaps, one for what probes and one for the rest: more of them keep memory for one another.
ENV MALLOC_ARENA_MAX=2
USER 65532:65532
EXPOSE 9847
HEALTHCHECK --interval=15s --timeout=6s --start-period=10s --retries=3 \
    CMD ["/bin/hex-token-exporter", "healthcheck"]
ENTRYPOINT ["/bin/hex-token-exporter"]
