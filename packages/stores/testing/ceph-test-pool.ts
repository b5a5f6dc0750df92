import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe } from '@jest/globals';
import type { StoreOptions } from '../src/store-options';

const run = promisify(execFile);

/** Configuration of a real, throw-away Ceph cluster; `npm test` starts one where it can. */
const CLUSTER_CONF = process.env['TEST_CEPH_CONF'] ?? '';
/** The user of the store, beside client.admin. */
export const STORE_USER = 'glance';
/** Objects that a pool keeps when its images are gone. */
const LASTING = ['rbd_directory', 'rbd_info', 'rbd_trash', 'rbd_children', 'glance_unfinished'];

/** `describe` where there is a Ceph cluster; else skipped, aloud, and an error in CI. */
export function describeWithCeph(): typeof describe | typeof describe.skip {
  if (CLUSTER_CONF !== '') return describe;
  const text = 'NO CEPH CLUSTER (TEST_CEPH_CONF): the tests of the rbd store are SKIPPED';
  if (process.env['CI'] !== undefined) throw new Error(text);
  process.stderr.write(`\n${text}\n\n`);
  return describe.skip;
}

/** A pool of its own on the real cluster, and a configuration file that leads there. */
export class TestPool {
  private constructor(
    readonly name: string,
    readonly conf: string,
    private readonly directory: string,
  ) {}

  static async make(clusterConf = CLUSTER_CONF): Promise<TestPool> {
    const directory = await mkdtemp(path.join(tmpdir(), 'glance-rbd-'));
    const pool = new TestPool(`test-${randomUUID()}`, path.join(directory, 'ceph.conf'), directory);
    await writeFile(pool.conf, await readFile(clusterConf));
    await pool.ceph('osd', 'pool', 'create', pool.name);
    return pool;
  }

  /** For a store on it. */
  get options(): StoreOptions {
    return {
      rbd_store_ceph_conf: this.conf,
      rbd_store_user: STORE_USER,
      rbd_store_pool: this.name,
    };
  }

  /** Another configuration file for the same pool, whose monitors can be taken away. */
  async copyOfConf(): Promise<{ conf: string; takeAway: () => Promise<void> }> {
    const conf = path.join(this.directory, `${randomUUID()}.conf`);
    const text = await readFile(this.conf, 'utf8');
    await writeFile(conf, text);
    return {
      conf,
      takeAway: () =>
        writeFile(
          conf,
          text.replace(/^mon_host = .*$/m, 'mon_host = v1:127.0.0.1:1\nclient_mount_timeout = 1'),
        ),
    };
  }

  /** Every object that belongs to an image, and every mark of an upload. */
  async contents(): Promise<string[]> {
    const objects = await this.rados('ls');
    const marks = objects.includes('glance_unfinished')
      ? await this.rados('listomapkeys', 'glance_unfinished')
      : [];
    return [
      ...objects.filter((name) => !LASTING.includes(name)),
      ...marks.map((mark) => `mark ${mark}`),
    ].sort();
  }

  async images(): Promise<string[]> {
    return lines(await this.rbd('ls', this.name)).sort();
  }

  /** `rbd`, as an operator runs it. */
  rbd(...args: string[]): Promise<string> {
    return this.program('rbd', ...args);
  }

  ceph(...args: string[]): Promise<string> {
    return this.program('ceph', ...args);
  }

  async dispose(): Promise<void> {
    await this.ceph(
      ...['osd', 'pool', 'delete', this.name, this.name, '--yes-i-really-really-mean-it'],
    );
    await rm(this.directory, { recursive: true, force: true });
  }

  async rados(...args: string[]): Promise<string[]> {
    return lines(await this.program('rados', '-p', this.name, ...args));
  }

  private async program(name: string, ...args: string[]): Promise<string> {
    const { stdout } = await run(name, ['-c', this.conf, ...args]);
    return stdout;
  }
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
