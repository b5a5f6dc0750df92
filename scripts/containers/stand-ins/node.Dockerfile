# In the place of node:24-bookworm-slim: node and npm in /usr/local, and a user "node" of id 1000.
FROM debian:bookworm-slim
COPY node /usr/local
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \
 && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx \
 && useradd --uid 1000 --create-home --shell /bin/bash node
CMD ["node"]
