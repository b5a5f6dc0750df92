# In the place of mariadb:10.11: what that makes of MARIADB_DATABASE, MARIADB_USER and MARIADB_PASSWORD_FILE.
FROM debian:bookworm-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends mariadb-server && rm -rf /var/lib/apt/lists/* /var/lib/mysql/*
COPY --chmod=755 mariadb-entrypoint /usr/local/bin/
EXPOSE 3306
CMD ["mariadb-entrypoint"]
