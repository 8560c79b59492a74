# The agent for hosts that run everything in containers:
#
#   docker build -t fairlead .
#   docker run -d --name fairlead --restart unless-stopped \
#     --network host --cap-add NET_ADMIN --security-opt systempaths=unconfined \
#     -v /var/run/docker.sock:/var/run/docker.sock -v /var/lib/fairlead:/var/lib/fairlead fairlead
#
# Its rules are the host's, hence the host's network and NET_ADMIN. Kernel parameters of that network (forwarding,
# route_localnet) are read-only in a container without systempaths=unconfined; the agent then says which it could not
# set. It needs no other privilege.
ARG BASE=node:24-bookworm-slim

FROM ${BASE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN node node_modules/typescript/bin/tsc -p tsconfig.build.json \
 && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM ${BASE}
# A base that brings the tools already needs no package mirror.
RUN if ! command -v nft || ! command -v ip || ! command -v conntrack || ! command -v iptables; then \
      apt-get update \
      && apt-get install -y --no-install-recommends nftables iproute2 conntrack iptables \
      && rm -rf /var/lib/apt/lists/*; \
    fi
WORKDIR /opt/fairlead
COPY package.json LICENSE ./
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
RUN chmod +x dist/main.js && mkdir -p /usr/local/bin && ln -s /opt/fairlead/dist/main.js /usr/local/bin/fairlead
# Without the bound V8's young generation grows with the machine, far beyond what an agent uses.
ENV NODE_OPTIONS=--max-semi-space-size=4
VOLUME /var/lib/fairlead
# SIGTERM stops the agent and leaves rules and registrations in place: replacing the container drops no traffic.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["fairlead", "status"]
ENTRYPOINT ["fairlead"]
CMD ["agent"]
