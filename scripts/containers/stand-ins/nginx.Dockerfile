# In the place of nginx:1.26.
FROM debian:bookworm-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends nginx-light && rm -rf /var/lib/apt/lists/* \
 && (getent passwd nginx || useradd --system --no-create-home --shell /usr/sbin/nologin nginx)
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
