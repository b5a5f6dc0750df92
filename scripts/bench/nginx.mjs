import { mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { findProgram, freePorts, startServer, untilReady } from './processes.mjs';

/** What must be installed to compare with nginx; undefined when it is. */
export function nginxMissing() {
  return findProgram('nginx') ? undefined : 'nginx-light';
}

/** Serves the files of a directory with `sendfile on`, by one worker. */
export async function startNginx(resources, { directory, served }) {
  const [port] = await freePorts(1);
  const configuration = path.join(directory, 'nginx.conf');
  mkdirSync(path.join(directory, 'tmp'), { recursive: true });
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${directory}/tmp/${name};`)
    .join('\n  ');
  writeFileSync(
    configuration,
    `daemon off;
worker_processes 1;
pid ${directory}/nginx.pid;
error_log ${directory}/nginx-error.log;
${process.getuid() === 0 ? `user ${os.userInfo().username};` : ''}
events { worker_connections 64; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  ${temporary}
  server {
    listen 127.0.0.1:${port};
    location / { root ${served}; default_type application/octet-stream; }
    location = /ready { return 204; }
  }
}
`,
  );
  const server = startServer(resources, findProgram('nginx'), ['-c', configuration], {
    logFile: path.join(directory, 'nginx.log'),
  });
  await untilReady(server, `http://127.0.0.1:${port}/ready`);
  return { port };
}
