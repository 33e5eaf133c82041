# syntax=docker/dockerfile:1
#
# The images of the gate and of the injector, from source:
#
#   docker buildx build --target imgate          -t ghcr.io/imgate/imgate:0.1.0 .
#   docker buildx build --target imgate-injector -t ghcr.io/imgate/imgate-injector:0.1.0 .
#   … --platform linux/amd64,linux/arm64 --build-arg REVISION="$(git rev-parse --short=12 HEAD)"
#
# The compiler always runs on the builder's own architecture and makes the code of the other one; nothing is emulated.
# What comes out is a static binary, the certificates of public authorities, and the user 65532; there is no shell.
# `make image` makes the same image without downloading a base (Containerfile.scratch).

ARG RUST_IMAGE=docker.io/library/rust:1.95-bookworm

FROM --platform=$BUILDPLATFORM ${RUST_IMAGE} AS builder
ARG TARGETARCH
# zig is the C compiler and linker for musl of either architecture; aws-lc and jemalloc are C.
ARG ZIG_VERSION=0.15.2
ARG ZIGBUILD_VERSION=0.24.1
# hadolint ignore=DL3008
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends ca-certificates cmake make python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/zig \
    && /opt/zig/bin/pip install --no-cache-dir --quiet \
        "ziglang==${ZIG_VERSION}" "cargo-zigbuild==${ZIGBUILD_VERSION}"
ENV PATH="/opt/zig/bin:${PATH}" \
    CARGO_TERM_COLOR=never \
    # Kernels of arm64 have pages of up to 64 KiB; jemalloc would take those of the builder.
    AARCH64_UNKNOWN_LINUX_MUSL_JEMALLOC_SYS_WITH_LG_PAGE=16
WORKDIR /src
RUN case "${TARGETARCH}" in \
        amd64) echo x86_64-unknown-linux-musl ;; \
        arm64) echo aarch64-unknown-linux-musl ;; \
        *) echo "no image for ${TARGETARCH}" >&2; exit 1 ;; \
    esac > /target \
    && rustup target add "$(cat /target)" \
    # The files that the images take beside their binary.
    && mkdir -p /out/etc/ssl/certs \
    && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ \
    && echo 'nonroot:x:65532:65532:nonroot:/:/sbin/nologin' > /out/etc/passwd \
    && echo 'nonroot:x:65532:' > /out/etc/group
COPY . .
ARG REVISION=unknown
ENV IMGATE_REVISION=${REVISION}

FROM builder AS build-imgate
RUN --mount=type=cache,id=imgate-registry,target=/usr/local/cargo/registry \
    --mount=type=cache,id=imgate-${TARGETARCH},target=/src/target \
    cargo zigbuild --locked --release --target "$(cat /target)" --bin imgate \
    && install -D "target/$(cat /target)/release/imgate" /out/usr/local/bin/imgate

FROM builder AS build-imgate-injector
RUN --mount=type=cache,id=imgate-registry,target=/usr/local/cargo/registry \
    --mount=type=cache,id=imgate-injector-${TARGETARCH},target=/src/target \
    cargo zigbuild --locked --release --target "$(cat /target)" --features injector --bin imgate-injector \
    && install -D "target/$(cat /target)/release/imgate-injector" /out/usr/local/bin/imgate-injector

FROM scratch AS labelled
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.source="https://github.com/imgate/imgate" \
      org.opencontainers.image.documentation="https://github.com/imgate/imgate#readme" \
      org.opencontainers.image.vendor="imgate" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Who runs a command in the container can say `imgate`.
ENV PATH=/usr/local/bin
USER 65532:65532

FROM labelled AS imgate-injector
LABEL org.opencontainers.image.title="imgate-injector" \
      org.opencontainers.image.description="Puts imgate beside the containers of labelled pods"
COPY --from=build-imgate-injector /out/ /
EXPOSE 8443 8081
ENTRYPOINT ["/usr/local/bin/imgate-injector"]

# The last one is what is built without --target.
FROM labelled AS imgate
LABEL org.opencontainers.image.title="imgate" \
      org.opencontainers.image.description="Authentication sidecar for chat backends"
COPY --from=build-imgate /out/ /
EXPOSE 9688 9690
ENTRYPOINT ["/usr/local/bin/imgate"]
CMD ["run", "--config", "/etc/imgate/config/imgate.yaml"]
