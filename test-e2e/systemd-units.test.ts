import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { randomBytes, randomUUID } from 'node:crypto';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { CephCluster, withCeph } from './support/ceph-cluster';
import { Deployment, eventually, freePorts, imageOf, ROOT } from './support/deployment';
import { describeWith } from './support/installed';

jest.setTimeout(120_000);

/** deploy/systemd, read by systemd's own tools. */

const run = promisify(execFile);
const DIRECTORY = path.join(ROOT, 'deploy/systemd');
const SERVICES = ['glance-registry', 'glance-api'] as const;
type Service = (typeof SERVICES)[number];

const unitFile = (service: Service) => path.join(DIRECTORY, `${service}.service`);

/** Values of a directive, in order. */
async function values(service: Service, directive: string): Promise<string[]> {
  const text = await readFile(unitFile(service), 'utf8');
  return [...text.matchAll(new RegExp(`^${directive}=(.*)$`, 'gm'))].map(([, value]) => value!);
}

/** The system calls of a set such as `@system-service`, and of the sets in it. */
function systemCalls(set: string): Set<string> {
  const text = execFileSync('systemd-analyze', ['syscall-filter', set], { encoding: 'utf8' });
  const names = text
    .split('\n')
    .slice(1)
    .map((line) => line.trim())
    .filter((name) => name !== '' && !name.startsWith('#'));
  return new Set(names.flatMap((name) => (name.startsWith('@') ? [...systemCalls(name)] : [name])));
}

const describeSystemd = describeWith('systemd-analyze (systemd)', 'systemd-analyze', '--version');

describeSystemd('the units of systemd', () => {
  it.each(SERVICES)('%s is one that systemd understands, word for word', async (service) => {
    const { stderr } = await run('systemd-analyze', ['verify', unitFile(service)]);
    // It may complain of units of this machine.
    expect(stderr.split('\n').filter((line) => line.includes('glance-'))).toEqual([]);
  });

  it.each(SERVICES)('%s is exposed to less than 2 of 10', async (service) => {
    const args = ['security', '--offline=true', '--no-pager', '--threshold=20', unitFile(service)];
    const { stdout } = await run('systemd-analyze', args);
    expect(stdout).toContain(`Overall exposure level for ${service}.service`);
  });

  it.each(SERVICES)('%s gets the time that its own stop may take', async (service) => {
    const sample = await readFile(path.join(ROOT, `deploy/etc/${service}.conf.sample`), 'utf8');
    const seconds = (option: string) =>
      Number(new RegExp(`^#${option} = (\\d+)$`, 'm').exec(sample)?.[1]);
    const needed = seconds('shutdown_delay') + seconds('graceful_shutdown_timeout');
    expect(needed).toBeGreaterThan(0);
    expect(Number((await values(service, 'TimeoutStopSec'))[0])).toBeGreaterThan(needed + 20);
  });

  const itAsRoot = process.getuid?.() === 0 ? it : it.skip;
  itAsRoot('come with a user and directories that only it can read', async () => {
    const root = await mkdtemp(path.join(os.tmpdir(), 'glance-root-'));
    try {
      await mkdir(path.join(root, 'etc'));
      await run('systemd-sysusers', [
        `--root=${root}`,
        path.join(DIRECTORY, 'glance.sysusers.conf'),
      ]);
      const passwd = await readFile(path.join(root, 'etc/passwd'), 'utf8');
      const uid = Number(/^glance:x:(\d+):.*:\/var\/lib\/glance:.*nologin$/m.exec(passwd)?.[1]);
      await run('systemd-tmpfiles', [
        '--create',
        `--root=${root}`,
        path.join(DIRECTORY, 'glance.tmpfiles.conf'),
      ]);
      const modes = await Promise.all(
        ['etc/glance', 'var/lib/glance/images', 'var/lib/glance/staging', 'var/log/glance'].map(
          async (name) => {
            const found = await stat(path.join(root, name));
            return [name, found.uid, (found.mode & 0o777).toString(8)];
          },
        ),
      );
      expect(modes).toEqual([
        ['etc/glance', 0, '750'],
        ['var/lib/glance/images', uid, '750'],
        ['var/lib/glance/staging', uid, '700'],
        ['var/log/glance', uid, '750'],
      ]);
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  });
});

/** Starts the services as the units do, uses and stops them, and compares what they asked of the kernel with what the units allow. */
async function staysInSandbox(glanceStore: string[] = []): Promise<void> {
  const deployment = await Deployment.start({
    database: 'sqlite',
    api: { glance_store: glanceStore },
  });
  const tracers: Traced[] = [];
  try {
    const [registryPort, apiPort] = await freePorts(2);
    tracers.push(await Traced.start(deployment, 'glance-registry', { bind_port: registryPort! }));
    const options = { bind_port: apiPort!, registry_port: registryPort!, workers: 2 };
    tracers.push(await Traced.start(deployment, 'glance-api', options));
    const url = `http://127.0.0.1:${apiPort!}`;
    await eventually(async () => expect((await fetch(`${url}/readyz`)).status).toBe(200), 60_000);
    const data = randomBytes(3_000_000);
    const created = await fetch(`${url}/v1/images`, {
      method: 'POST',
      headers: {
        'content-type': 'application/octet-stream',
        'x-image-meta-disk_format': 'raw',
        'x-image-meta-container_format': 'bare',
      },
      body: data,
    });
    expect(created.status).toBe(201);
    const { id } = await imageOf(created);
    const read = await fetch(`${url}/v2/images/${id}/file`);
    expect(Buffer.from(await read.arrayBuffer()).equals(data)).toBe(true);
    expect((await fetch(`${url}/v2/images/${id}`, { method: 'DELETE' })).status).toBe(204);
    for (const traced of tracers.reverse()) {
      await traced.reload();
      expect(await traced.stop()).toBe(0);
      const service = traced.service;
      const [allowed, refused] = await values(service, 'SystemCallFilter');
      const calls = new Set(allowed!.split(' ').flatMap((set) => [...systemCalls(set)]));
      for (const call of systemCalls(refused!.replace('~', ''))) calls.delete(call);
      // SQLite calls it where it is root, as here and never in the unit.
      calls.add('fchown');
      const seen = await traced.seen();
      expect(seen.calls.size).toBeGreaterThan(30);
      expect([...seen.calls].filter((call) => !calls.has(call))).toEqual([]);
      const families = (await values(service, 'RestrictAddressFamilies'))[0]!.split(' ');
      expect(seen.families).toContain('AF_INET');
      expect([...seen.families].filter((family) => !families.includes(family))).toEqual([]);
    }
  } finally {
    for (const traced of tracers) traced.kill();
    await deployment.stop();
  }
}

const describeTraced = describeWith('strace', 'strace', '-V');

describeTraced('the sandbox of the units', () => {
  it('lets the services start, reload, keep images in files and stop', () => staysInSandbox());
});

withCeph(describeTraced)('the sandbox of the units with Ceph', () => {
  it('lets the services keep images in RBD', async () => {
    const cluster = new CephCluster();
    const pool = `e2e-${randomUUID()}`;
    await cluster.createPool(pool);
    try {
      await staysInSandbox([
        'stores = file,rbd',
        'default_store = rbd',
        `rbd_store_ceph_conf = ${cluster.conf}`,
        'rbd_store_user = glance',
        `rbd_store_pool = ${pool}`,
      ]);
    } finally {
      await cluster.deletePool(pool);
    }
  });
});

/** The command of a unit, with another place of the code and the configuration, and all that it asks of the kernel. */
class Traced {
  private constructor(
    readonly service: Service,
    private readonly child: ReturnType<typeof spawn>,
    private readonly trace: string,
    private readonly log: () => string,
  ) {}

  static async start(
    deployment: Deployment,
    service: Service,
    options: Record<string, number>,
  ): Promise<Traced> {
    const name = service.replace('glance-', '');
    const base = await readFile(path.join(deployment.directory, `${name}-0.conf`), 'utf8');
    const config = Object.entries(options).reduce(
      (text, [option, value]) =>
        text.replace(new RegExp(`^${option} = \\d+$`, 'm'), `${option} = ${value}`),
      base,
    );
    const file = path.join(deployment.directory, `traced-${name}.conf`);
    await writeFile(file, config, { mode: 0o600 });
    const [command] = await values(service, 'ExecStart');
    const argv = command!
      .replace('/opt/glance', ROOT)
      .replace(`/etc/glance/${service}.conf`, file)
      .split(' ');
    const trace = path.join(deployment.directory, `${name}.strace`);
    // -D: the service is the child, and the tracer a process beside it.
    const child = spawn('strace', ['-D', '-f', '-q', '-e', 'signal=none', '-o', trace, ...argv], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let log = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        log += chunk.toString();
      });
    }
    return new Traced(service, child, trace, () => log);
  }

  async reload(): Promise<void> {
    const before = this.log().length;
    this.child.kill('SIGHUP');
    await eventually(async () => expect(this.log().slice(before)).toContain('SIGHUP'));
  }

  async stop(): Promise<number | null> {
    const exited = new Promise<number | null>((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    return await exited;
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  async seen(): Promise<{ calls: Set<string>; families: Set<string> }> {
    const text = await eventually(async () => {
      const found = await readFile(this.trace, 'utf8');
      const end = new RegExp(`^${this.child.pid} +\\+\\+\\+ exited with`, 'm');
      if (!end.test(found)) throw new Error('The trace has no end yet');
      return found;
    });
    return {
      calls: new Set([...text.matchAll(/^\d+ +(\w+)\(/gm)].map(([, name]) => name!)),
      families: new Set([...text.matchAll(/ socket(?:pair)?\((AF_\w+)/g)].map(([, name]) => name!)),
    };
  }
}
