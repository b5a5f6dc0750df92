// Upstream's glance-api as Debian packages it, to compare with.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { findProgram, freePorts, startServer, untilReady } from './processes.mjs';

const PASTE = '/etc/glance/glance-api-paste.ini';

/** What must be installed to compare with upstream; undefined when it is. */
export function upstreamMissing() {
  return findProgram('glance-api') ? undefined : 'glance-api python3-pymysql';
}

/**
 * Starts upstream on a database whose tables are there: those that our `glance-manage db sync`
 * makes are upstream's. It believes identity headers, as ours does with trusted-auth.
 */
export async function startUpstream(resources, { directory, databaseUrl, workers = 1 }) {
  const [port] = await freePorts(1);
  const file = (name) => path.join(directory, name);
  for (const name of ['images', 'staging', 'tasks', 'lock'])
    mkdirSync(file(name), { recursive: true });
  const paste = readFileSync(PASTE, 'utf8');
  writeFileSync(
    file('paste.ini'),
    `${paste}\n[pipeline:glance-api-bench]\npipeline = http_proxy_to_wsgi versionnegotiation context rootapp\n`,
  );
  writeFileSync(
    file('glance-api.conf'),
    `[DEFAULT]
bind_host = 127.0.0.1
bind_port = ${port}
workers = ${workers}
enabled_backends = bench:file
[oslo_policy]
enforce_new_defaults = false
enforce_scope = false
[oslo_concurrency]
lock_path = ${file('lock')}
[database]
connection = ${databaseUrl}
[glance_store]
default_backend = bench
[bench]
filesystem_store_datadir = ${file('images')}
[os_glance_staging_store]
filesystem_store_datadir = ${file('staging')}
[os_glance_tasks_store]
filesystem_store_datadir = ${file('tasks')}
[paste_deploy]
flavor = bench
config_file = ${file('paste.ini')}
`,
    { mode: 0o600 },
  );
  const server = startServer(
    resources,
    findProgram('glance-api'),
    ['--config-file', file('glance-api.conf')],
    { logFile: file('glance-api.log') },
  );
  const url = `http://127.0.0.1:${port}`;
  await untilReady(server, `${url}/`);
  return { server, url, port };
}
