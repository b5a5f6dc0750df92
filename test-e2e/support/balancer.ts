import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { eventually } from './deployment';

const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin`;

export interface Balanced {
  port: number;
  /** `host:port` of each node. */
  nodes: readonly string[];
}

/** An nginx before several nodes, as an operator would set it up. */
export class Balancer {
  private constructor(
    private readonly directory: string,
    private readonly child: ChildProcess,
  ) {}

  static async start(balanced: readonly Balanced[]): Promise<Balancer> {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'glance-nginx-'));
    await mkdir(path.join(directory, 'logs'));
    const file = path.join(directory, 'nginx.conf');
    await writeFile(file, configuration(directory, balanced));
    const child = spawn('nginx', ['-p', directory, '-c', file, '-g', 'daemon off;'], {
      env: { ...process.env, PATH },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    for (const { port } of balanced) {
      await eventually(() => fetch(`http://127.0.0.1:${port}/livez`));
    }
    return new Balancer(directory, child);
  }

  async stop(): Promise<void> {
    const exited = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    await exited;
    await rm(this.directory, { recursive: true, force: true });
  }
}

function configuration(directory: string, balanced: readonly Balanced[]): string {
  const servers = balanced.map(
    ({ port, nodes }) => `
  upstream nodes_${port} {
${nodes.map((node) => `    server ${node} max_fails=0;`).join('\n')}
    keepalive 8;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://nodes_${port};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_request_buffering off;
      proxy_buffering off;
    }
  }`,
  );
  return `
worker_processes 1;
pid ${directory}/nginx.pid;
error_log ${directory}/logs/error.log;
events { worker_connections 512; }
http {
  access_log off;
  # Headers of API v1 have underscores.
  underscores_in_headers on;
  client_max_body_size 0;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
${servers.join('\n')}
}
`;
}
