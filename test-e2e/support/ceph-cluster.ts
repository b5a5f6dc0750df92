import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The Ceph cluster of the tests (`TEST_CEPH_CONF`); `npm test` starts one. */
export class CephCluster {
  readonly conf = process.env['TEST_CEPH_CONF'] ?? '';

  /** @returns what `ceph`, `rbd` or `rados` writes. */
  async run(program: 'ceph' | 'rbd' | 'rados', ...args: string[]): Promise<string> {
    return (await run(program, ['-c', this.conf, ...args])).stdout;
  }

  async lines(program: 'ceph' | 'rbd' | 'rados', ...args: string[]): Promise<string[]> {
    return (await this.run(program, ...args)).split('\n').filter((line) => line !== '');
  }

  async createPool(pool: string): Promise<void> {
    await this.run('ceph', 'osd', 'pool', 'create', pool);
  }

  async deletePool(pool: string): Promise<void> {
    await this.run('ceph', 'osd', 'pool', 'delete', pool, pool, '--yes-i-really-really-mean-it');
  }

  imagesIn(pool: string): Promise<string[]> {
    return this.lines('rbd', 'ls', pool);
  }
}

/** `tests` where there is such a cluster; else skipped, aloud, and an error in CI. */
export function withCeph(tests: jest.Describe): jest.Describe {
  if ((process.env['TEST_CEPH_CONF'] ?? '') !== '') return tests;
  const text = 'NO CEPH CLUSTER (TEST_CEPH_CONF): images in RBD are not tested, SKIPPED';
  if (process.env['CI'] !== undefined) throw new Error(text);
  process.stderr.write(`\n${text}\n\n`);
  return describe.skip;
}
