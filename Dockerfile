# docker build -t kontor .
# docker run -d --name kontor --restart unless-stopped -v kontor:/data -p 25:25 -p 587:587 \
#     -p 465:465 -p 143:143 -p 993:993 -p 80:80 -p 443:443 -e KONTOR_TIME_ZONE=Europe/Berlin kontor
# Set it up with: docker exec -it kontor kontor init --domain office.example \
#     --hostname mail.office.example --admin ada@office.example && docker restart kontor

FROM rust:1.95-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY web web
# tests/main.rs is named in Cargo.toml, so cargo wants it there.
COPY tests tests
RUN cargo build --release --locked --bin kontor

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 2525 kontor \
    && useradd --uid 2525 --gid 2525 --no-create-home --home-dir /data --shell /usr/sbin/nologin kontor \
    && install -d -o kontor -g kontor -m 700 /data
COPY --from=build /src/target/release/kontor /usr/local/bin/kontor
USER kontor
ENV KONTOR_DATA=/data
VOLUME /data
# Containers may bind low ports without root: Docker sets net.ipv4.ip_unprivileged_port_start=0.
EXPOSE 25 587 465 143 993 80 443
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=6s --start-period=20s \
    CMD curl --fail --silent --show-error --max-time 5 http://127.0.0.1/healthz || exit 1
ENTRYPOINT ["kontor"]
CMD ["serve"]
