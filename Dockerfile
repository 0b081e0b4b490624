FROM rust:1.95-bookworm AS build
WORKDIR /build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]

# Kernels for this processor have pages of 4, 16 or 64 KiB. The allocator is built for the largest, and then runs on all.
RUN case "$(uname -m)" in aarch64) printf '[env]\nJEMALLOC_SYS_WITH_LG_PAGE = "16"\n' >> "$CARGO_HOME/config.toml";; esac

# Dependencies are compiled against an empty program first: this layer survives every change that leaves Cargo.lock alone.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src && echo 'fn main() {}' > src/main.rs \
 && cargo build --release --locked

COPY src src
# The pages in the binary.
COPY console console
# Cargo goes by modification times, and those of the checkout are older than the empty program's build.
RUN touch src/main.rs && cargo build --release --locked

# Everything the final image holds. ldd names the libraries and the loader at the paths where they will be looked up,
# whatever the architecture.
RUN mkdir -p /image/etc/ssl/certs /data \
 && install target/release/sealcast /image/sealcast \
 && ldd /image/sealcast | grep -o '/[^ ]*' | sort -u | xargs cp --dereference --parents --target-directory /image \
 && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
 && echo 'sealcast:x:65532:65532::/data:/sbin/nologin' > /image/etc/passwd \
 && echo 'sealcast:x:65532:' > /image/etc/group

FROM scratch
COPY --from=build /image /
COPY --from=build --chown=65532:65532 /data /data
USER 65532:65532
ENV SEALCAST_LISTEN=0.0.0.0:6001 SEALCAST_STATE_DIR=/data
EXPOSE 6001
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["/sealcast", "healthcheck"]
ENTRYPOINT ["/sealcast"]
CMD ["serve"]
