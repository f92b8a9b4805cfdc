# mcpvisor without the servers it may launch: what they need (Node, Python, …) goes into an image of your own, FROM this one.
#
#   docker build -t mcpvisor .
#   docker run --init -p 127.0.0.1:8080:8080 -v ./mcpvisor.toml:/etc/mcpvisor/config.toml:ro mcpvisor
#
# It listens on 0.0.0.0:8080, for which the configuration must have auth.keys (or auth.allow_unauthenticated). Not run yet.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install --yes --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The compiler of the image, not the one that rust-toolchain.toml would fetch.
ENV RUSTUP_TOOLCHAIN=1.95
RUN cargo build --locked --release --package mcpvisor

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --create-home --home-dir /var/lib/mcpvisor --shell /usr/sbin/nologin mcpvisor
COPY --from=build /src/target/release/mcpvisor /usr/local/bin/
USER mcpvisor
WORKDIR /var/lib/mcpvisor
ENV MCPVISOR_GATEWAY__LISTEN=0.0.0.0:8080 \
    MCPVISOR_GATEWAY__STATE_DIR=/var/lib/mcpvisor/state
EXPOSE 8080 9464
# SIGTERM drains, within gateway.drain_timeout: give it as long (docker stop --time 35).
STOPSIGNAL SIGTERM
# Asks the admin listener; with auth.admin_keys it needs one in MCPVISOR_ADMIN_KEY.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["mcpvisor", "status", "--state-dir", "/var/lib/mcpvisor/state"]
ENTRYPOINT ["mcpvisor"]
CMD ["serve"]
