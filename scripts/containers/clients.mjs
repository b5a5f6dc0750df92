// Clients of the image API: the unmodified programs of users, and requests whose every answer counts.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { run } from './run.mjs';

const PLAIN = { PATH: '/usr/bin:/bin', HOME: '/nonexistent' };

/** openstack and glance create, list, read and delete an image of 8 MiB through the load balancer. */
export async function useRealClients(url, directory) {
  const source = path.join(directory, 'disk.raw');
  const copy = path.join(directory, 'copy.raw');
  writeFileSync(source, randomBytes(8 * 1024 * 1024));
  const done = [];
  // A service without authentication: each client is told so in its own way.
  const openstack = (...args) =>
    run('/usr/bin/python3', ['/usr/bin/openstack', 'image', ...args], {
      bare: true,
      env: { ...PLAIN, OS_AUTH_TYPE: 'none', OS_ENDPOINT: url },
    });
  const glance = (version, ...args) =>
    run('/usr/bin/python3', ['/usr/bin/glance', '--os-image-api-version', version, ...args], {
      bare: true,
      env: {
        ...PLAIN,
        OS_IMAGE_URL: url,
        OS_AUTH_TOKEN: 'none',
        ...(version === '2' ? { OS_AUTH_URL: 'none' } : {}),
      },
    });
  const format = ['--disk-format', 'raw', '--container-format', 'bare'];
  const same = () => {
    if (!readFileSync(source).equals(readFileSync(copy)))
      throw new Error('what came back is not what was sent');
    rmSync(copy);
  };
  if (existsSync('/usr/bin/openstack')) {
    await openstack('create', 'by-openstack', ...format, '--file', source);
    await openstack('save', '--file', copy, 'by-openstack');
    same();
    await openstack('delete', 'by-openstack');
    done.push('openstack: created, saved, compared, deleted');
  }
  if (existsSync('/usr/bin/glance')) {
    for (const version of ['1', '2']) {
      const id = randomUUID();
      const named = ['--id', id, '--name', `by-glance-${version}`];
      await glance(version, 'image-create', ...named, ...format, '--file', source);
      await glance(version, 'image-download', '--file', copy, id);
      same();
      await glance(version, 'image-delete', id);
      done.push(`glance with API v${version}: created, downloaded, compared, deleted`);
    }
  }
  if (done.length === 0) {
    throw new Error('install first: python3-openstackclient python3-glanceclient');
  }
  return done;
}

const HEADERS = {
  'content-type': 'application/octet-stream',
  'x-image-meta-disk_format': 'raw',
  'x-image-meta-container_format': 'bare',
};

/** Uploads by API v1, in pieces. @returns the id. @throws Error for every answer that is not 201 */
export async function upload(url, pieces, { onPiece = async () => undefined } = {}) {
  const id = randomUUID();
  async function* body() {
    for (const [index, piece] of pieces.entries()) {
      yield piece;
      await onPiece(index);
    }
  }
  const answer = await fetch(`${url}/v1/images`, {
    method: 'POST',
    headers: { ...HEADERS, 'x-image-meta-id': id },
    body: body(),
    duplex: 'half',
  });
  const text = await answer.text();
  if (answer.status !== 201) throw new Error(`upload: ${answer.status} ${text.slice(0, 300)}`);
  return id;
}

/** @returns the MD5 of an image's data */
export async function download(url, id) {
  const answer = await fetch(`${url}/v2/images/${id}/file`);
  if (answer.status !== 200)
    throw new Error(`download of ${id}: ${answer.status} ${await answer.text()}`);
  return md5([Buffer.from(await answer.arrayBuffer())]);
}

export function md5(pieces) {
  const hash = createHash('md5');
  for (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}

/** Calls whose failure is remembered; an answer that is not 2xx is one. */
export class CountedCalls {
  counts = new Map();
  failures = [];

  constructor(url) {
    this.url = url;
  }

  async call(name, path, init = {}) {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    try {
      const answer = await fetch(`${this.url}${path}`, init);
      const text = await answer.text();
      if (!answer.ok) this.failures.push(`${name}: ${answer.status} ${text.slice(0, 300)}`);
      else return text === '' ? undefined : JSON.parse(text);
    } catch (error) {
      this.failures.push(`${name}: ${error.cause ?? error}`);
    }
    return undefined;
  }

  /** Creates, shows, changes, lists and deletes an image without data. */
  async round() {
    const json = { 'content-type': 'application/json' };
    const made = await this.call('create', '/v2/images', {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ name: `metadata ${randomUUID()}` }),
    });
    await this.call('list', '/v2/images?limit=20');
    if (made === undefined) return;
    await this.call('show', `/v2/images/${made.id}`);
    await this.call('change', `/v2/images/${made.id}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/openstack-images-v2.1-json-patch' },
      body: JSON.stringify([{ op: 'add', path: '/changed', value: 'yes' }]),
    });
    await this.call('delete', `/v2/images/${made.id}`, { method: 'DELETE' });
  }

  get total() {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }
}
