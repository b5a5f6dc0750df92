import { execFile, spawnSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { DATABASES, Deployment, ROOT, eventually, freePorts } from './support/deployment';
import { watchAnswersOf } from './support/leak-gate';
import { Scrape } from './support/metrics';

jest.setTimeout(120_000);

const run = promisify(execFile);
const SIZE = 3_000_000;
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const RULES = path.join(ROOT, 'deploy/prometheus/glance.rules.yml');
const DASHBOARD = path.join(ROOT, 'deploy/grafana/glance.json');

describe.each(DATABASES)('/metrics on %s', (database) => {
  let deployment: Deployment;
  let apiPort: number;
  let registryPort: number;
  let imageId: string;

  beforeAll(async () => {
    [apiPort, registryPort] = (await freePorts(2)) as [number, number];
    for (const port of [apiPort, registryPort]) watchAnswersOf(`http://127.0.0.1:${port}`);
    deployment = await Deployment.start({
      database,
      api: { DEFAULT: ['workers = 2'], metrics: [`bind_port = ${apiPort}`] },
      registry: {
        DEFAULT: ['use_json = true'],
        metrics: [`bind_port = ${registryPort}`, 'image_series = true'],
        uploads: ['sweep_interval = 0.2'],
      },
    });
    const { apiUrl } = deployment;
    // One worker that is ready answers for both until the other one is.
    await eventually(async () => {
      const created = await fetch(`${apiUrl}/v2/images`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'watched "1"', disk_format: 'raw', container_format: 'bare' }),
      });
      const text = await created.text();
      expect([created.status, text]).toEqual([201, text]);
      imageId = (JSON.parse(text) as { id: string }).id;
    }, 30_000);
    const uploaded = await fetch(`${apiUrl}/v2/images/${imageId}/file`, {
      method: 'PUT',
      headers: {
        'content-type': 'application/octet-stream',
        traceparent: `00-${TRACE}-00f067aa0ba902b7-01`,
      },
      body: randomBytes(SIZE),
    });
    expect(uploaded.status).toBe(204);
    const downloaded = await fetch(`${apiUrl}/v2/images/${imageId}/file`);
    expect((await downloaded.arrayBuffer()).byteLength).toBe(SIZE);
    expect((await fetch(`${apiUrl}/v2/images/${randomUUID()}`)).status).toBe(404);
    expect((await fetch(`${apiUrl}/v9/${randomUUID()}`)).status).not.toBe(200);
  });

  afterAll(async () => {
    await deployment.stop();
  });

  it('tells of the api what clients did, all workers together', async () => {
    await eventually(async () => {
      const api = await Scrape.of(apiPort);
      const requests = (method: string, route: string, status: string): number =>
        api.value('glance_api_http_requests_total', { method, route, status });
      expect(requests('POST', '/v2/images', '201')).toBe(1);
      expect(requests('PUT', '/v2/images/:id/file', '204')).toBe(1);
      expect(requests('GET', '/v2/images/:id/file', '200')).toBe(1);
      expect(requests('GET', '/v2/images/:id', '404')).toBe(1);
      expect(
        api.value('glance_api_http_request_duration_seconds_count', { route: '/v2/images/:id' }),
      ).toBe(1);
      // What clients make up has no series of its own.
      expect([...api.labelValues('route')].sort()).toEqual([
        '/v2/images',
        '/v2/images/:id',
        '/v2/images/:id/file',
        'none',
      ]);
      expect(api.value('glance_api_http_requests_in_flight')).toBe(0);
      expect(api.value('glance_api_transfers_in_flight')).toBe(0);
      const ofStore = { store: 'file', type: 'file' };
      expect(api.value('glance_api_store_written_bytes_total', ofStore)).toBe(SIZE);
      expect(api.value('glance_api_store_read_bytes_total', ofStore)).toBe(SIZE);
      expect(api.value('glance_api_store_operations_total', { operation: 'add' })).toBe(1);
      // MD5 and SHA-512.
      expect(api.value('glance_api_hashed_bytes_total')).toBe(2 * SIZE);
      expect(api.value('glance_api_hash_seconds_total')).toBeGreaterThan(0);
      expect(api.value('glance_api_registry_calls_total')).toBeGreaterThan(3);
      expect(api.value('glance_api_registry_breaker_open')).toBe(0);
      expect(api.value('glance_api_dependency_usable', { dependency: 'registry' })).toBe(1);
      const free = api.value('glance_api_store_free_bytes', {
        directory: deployment.imageDirectory,
      });
      expect(free).toBeGreaterThan(0);
      expect(api.value('glance_api_store_size_bytes')).toBeGreaterThanOrEqual(free);
      expect(api.value('process_resident_memory_bytes')).toBeGreaterThan(0);
    });
  });

  it('tells of the registry what it was asked and what is in the database', async () => {
    await eventually(async () => {
      const registry = await Scrape.of(registryPort);
      const requests = (method: string, route: string, status: string): number =>
        registry.value('glance_registry_http_requests_total', { method, route, status });
      expect(requests('POST', '/v1/images', '201')).toBe(1);
      expect(requests('GET', '/v1/images/:imageId', '404')).toBe(1);
      expect(requests('GET', '/v1', '200')).toBeGreaterThan(0);
      for (const statement of ['select', 'insert', 'commit']) {
        const labels = { statement };
        expect(
          registry.value('glance_registry_sql_duration_seconds_count', labels),
        ).toBeGreaterThan(0);
      }
      expect(registry.value('glance_registry_database_connections_max')).toBe(
        database === 'sqlite' ? 1 : 55,
      );
      expect(registry.value('glance_registry_database_connections_awaited')).toBe(0);
      expect(registry.value('glance_registry_dependency_usable', { dependency: 'database' })).toBe(
        1,
      );
      expect(registry.value('glance_registry_task_runs_total', { task: 'leases' })).toBeGreaterThan(
        0,
      );
      const lastSweep = registry.value('glance_registry_task_last_success_timestamp_seconds', {
        task: 'leases',
      });
      expect(Math.abs(Date.now() / 1000 - lastSweep)).toBeLessThan(60);
    });
  });

  it('counts images under the names of openstack-exporter', async () => {
    // What the database says is remembered for up to a minute.
    const registry = await Scrape.of(registryPort);
    expect(registry.value('openstack_glance_up')).toBe(1);
    expect(registry.value('openstack_glance_images')).toBe(1);
    expect(registry.value('glance_registry_images', { visibility: 'shared' })).toBe(1);
    const ofImage = { id: imageId, name: String.raw`watched \"1\"`, tenant_id: '' };
    const known = registry.labelValues('name').has(ofImage.name);
    expect({ known, names: [...registry.labelValues('name')] }).toMatchObject({ known: true });
    expect(registry.value('openstack_glance_image_bytes', { id: imageId })).toBe(SIZE);
    const createdAt = registry.value('openstack_glance_image_created_at', {
      id: imageId,
      visibility: 'shared',
      hidden: 'false',
      status: 'active',
    });
    expect(Math.abs(Date.now() / 1000 - createdAt)).toBeLessThan(120);
    expect(registry.value('glance_registry_stored_bytes')).toBe(SIZE);
  });

  it('shows an upload while it runs', async () => {
    const data = randomBytes(2_000_000);
    const upload = http.request(`${deployment.apiUrl}/v1/images`, {
      method: 'POST',
      headers: {
        'content-type': 'application/octet-stream',
        'content-length': data.length,
        'x-image-meta-disk_format': 'raw',
        'x-image-meta-container_format': 'bare',
      },
    });
    const answered = once(upload, 'response') as Promise<[http.IncomingMessage]>;
    upload.write(data.subarray(0, 1_000_000));
    await eventually(async () => {
      const api = await Scrape.of(apiPort);
      expect(api.value('glance_api_transfers_in_flight')).toBe(1);
      expect(api.value('glance_api_store_writes_in_flight', { store: 'file' })).toBe(1);
      const registry = await Scrape.of(registryPort);
      expect(registry.value('glance_registry_leases', { kind: 'upload', state: 'live' })).toBe(1);
      expect(registry.value('glance_registry_reserved_bytes')).toBe(data.length);
    });
    upload.end(data.subarray(1_000_000));
    const [answer] = await answered;
    answer.resume();
    expect(answer.statusCode).toBe(201);
    await eventually(async () => {
      expect((await Scrape.of(apiPort)).value('glance_api_transfers_in_flight')).toBe(0);
    });
  });

  it('is not on the ports of the services', async () => {
    for (const url of [deployment.apiUrl, deployment.registryUrls[0]!]) {
      const answer = await fetch(`${url}/metrics`);
      expect(answer.status).toBeGreaterThanOrEqual(300);
      expect(await answer.text()).not.toContain('# TYPE');
    }
    for (const port of [apiPort, registryPort]) {
      expect((await fetch(`http://127.0.0.1:${port}/v1/images`)).status).toBe(404);
      const posted = await fetch(`http://127.0.0.1:${port}/metrics`, { method: 'POST' });
      expect(posted.status).toBe(405);
    }
  });

  it.each([1, 2])(
    'is said to be in the way when its port is taken, %i workers',
    async (workers) => {
      const [port] = await freePorts(1);
      const config = await readFile(path.join(deployment.directory, 'registry-0.conf'), 'utf8');
      const second = await deployment.addService(
        'glance-registry',
        config
          .replace(/^bind_port = \d+$/m, `bind_port = ${port}`)
          .replace(/^workers = 1$/m, `workers = ${workers}`),
      );
      expect(await second.exited).toBe(2);
      expect(second.log()).toContain(
        `[metrics] bind_host = 127.0.0.1, bind_port = ${registryPort}: listen EADDRINUSE`,
      );
    },
  );

  it('loses no count when a worker dies', async () => {
    const supervisor = String(deployment.apis[0]!.child.pid);
    const workers = async (): Promise<string[]> => {
      const { stdout } = await run('pgrep', ['-P', supervisor]);
      return stdout.trim().split('\n');
    };
    const before = await Scrape.of(apiPort);
    const doomed = await workers();
    for (const pid of doomed) process.kill(Number(pid), 'SIGKILL');
    await eventually(async () => {
      const now = await workers();
      expect(now).toHaveLength(2);
      expect(now.filter((pid) => doomed.includes(pid))).toEqual([]);
      const after = await Scrape.of(apiPort);
      const series = 'glance_api_http_requests_total';
      expect(after.value(series, { method: 'PUT' })).toBe(1);
      expect(after.value(series)).toBeGreaterThanOrEqual(before.value(series));
      expect(after.value('glance_api_dependency_usable', { dependency: 'registry' })).toBe(1);
    });
  });

  it('and the log of both services name the trace that a request belongs to', async () => {
    const [api] = deployment.apis;
    const [registry] = deployment.registries;
    expect(api!.log()).toMatch(new RegExp(`"PUT /v2/images/${imageId}/file" .*trace=${TRACE}`));
    const lines = registry!
      .log()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, string>);
    const traced = lines.filter((line) => line['trace_id'] === TRACE);
    expect(traced.some(({ message }) => message?.includes('POST /v1/images') === true)).toBe(true);
    // Other requests have traces of their own.
    const others = new Set(lines.map((line) => line['trace_id']).filter((id) => id !== undefined));
    expect(others.size).toBeGreaterThan(3);
  });

  it('has every series that dashboard and alerts ask for', async () => {
    const served = new Set<string>();
    for (const port of [apiPort, registryPort]) {
      for (const name of (await Scrape.of(port)).names) served.add(name);
    }
    for (const file of [RULES, DASHBOARD]) {
      const text = await readFile(file, 'utf8');
      const named = new Set(
        text.match(/\b(?:glance_(?:api|registry)|openstack_glance|process|nodejs)_\w+/g),
      );
      expect(named.size).toBeGreaterThan(5);
      expect([...named].filter((name) => !served.has(name))).toEqual([]);
    }
  });
});

describe('the alerts', () => {
  interface Rule {
    alert: string;
    annotations: { summary: string; runbook_url: string };
  }

  it('each have a chapter that says what to do', async () => {
    const { groups } = parse(await readFile(RULES, 'utf8')) as { groups: { rules: Rule[] }[] };
    const rules = groups.flatMap((group) => group.rules);
    const guide = await readFile(path.join(ROOT, 'docs/alerts.md'), 'utf8');
    const chapters = [...guide.matchAll(/^## (\S+)$/gm)].map(([, title]) => title);
    expect(chapters).toEqual(rules.map(({ alert }) => alert));
    for (const { alert, annotations } of rules) {
      expect(annotations.runbook_url).toBe(`docs/alerts.md#${alert.toLowerCase()}`);
      expect(annotations.summary).not.toBe('');
    }
  });

  const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
  if (!hasPromtool) process.stderr.write('\nNO promtool: the alert rules are not given to it\n\n');
  (hasPromtool ? it : it.skip)('are rules that Prometheus takes', async () => {
    await run('promtool', ['check', 'rules', RULES]);
  });
});
