import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { startCephCluster } from '../../ceph-cluster.mjs';
import { startRadosGateway } from '../../rados-gateway.mjs';
import { prepareServices } from '../deployment.mjs';
import { removeImage, reserveByV2, uploadByV2, v1Download, v2Upload } from '../image-calls.mjs';
import { residentBytes, watchMemory } from '../proc.mjs';
import { findProgram, runProgram } from '../processes.mjs';
import { missing, row } from '../report.mjs';
import { least, repeat } from '../statistics.mjs';

const MIB = 1024 ** 2;
const PARALLEL = 16;

/**
 * A server that holds images, and its own command-line client.
 * @typedef {object} Backend
 * @property {string} id also the name of the store
 * @property {string} type
 * @property {string} options lines of the store's section
 * @property {(file: string) => string[]} upload the command that stores the file
 * @property {(file: string) => string[]} download the command that fetches it
 * @property {string[]} remove the command that removes it
 * @property {Record<string, string>} env of the commands
 */

/** Uploads and downloads through glance-api against each store's own client, on the same server. */
export async function measureStores({ resources, server, options }) {
  const bytes = options.sizeBytes;
  const rows = [];
  const backends = [];
  for (const start of [startS3]) {
    const { lacking, ...backend } = await start(resources);
    if (lacking) rows.push(missing(`store ${backend.id}: speed / its own client`, lacking));
    else backends.push(backend);
  }
  if (backends.length === 0) return rows;
  const { services } = await prepareServices(resources, {
    server,
    directory: options.directory,
    apiConf: configurationOf(backends),
  });
  const ours = await services.start(resources);
  const directory = resources.directory(options.directory);
  const file = await randomFile(path.join(directory, 'data'), bytes);
  for (const backend of backends) {
    rows.push(...(await measureSpeed(resources, ours, backend, { file, bytes, options })));
    rows.push(await measureMemory(resources, ours, backend, { bytes, options }));
  }
  return rows;
}

async function measureSpeed(resources, ours, backend, { file, bytes, options }) {
  const at = { url: ours.url, port: ours.apiPort };
  const rounds = await repeat(options.rounds, async () => {
    const client = {
      upload: await timed(backend, backend.upload(file)),
      download: await timed(backend, backend.download(`${file}.copy`)),
    };
    await timed(backend, backend.remove);
    const { id, wallSeconds } = await uploadByV2(resources, at, bytes, { store: backend.id });
    const read = await runProgram(resources, 'download.mjs', {
      sources: [v1Download(ours.apiPort, id, bytes)],
    });
    await removeImage(ours.url, 'v2', id);
    return { client, ours: { upload: wallSeconds, download: read.wallSeconds[0][0] } };
  });
  return ['upload', 'download'].map((way) => {
    const oursSeconds = least(rounds.map((each) => each.ours[way]));
    const clientSeconds = least(rounds.map((each) => each.client[way]));
    return row(`store ${backend.id}: ${way} speed / ${backend.client}`, {
      measured: clientSeconds / oursSeconds,
      atLeast: 0.8,
      details: { oursSeconds, clientSeconds },
    });
  });
}

/** Of glance-api, above idle, while uploads run that announce no length. */
async function measureMemory(resources, ours, backend, { bytes, options }) {
  const ids = [];
  for (let each = 0; each < PARALLEL; each += 1) ids.push(await reserveByV2(ours.url));
  await pause(2000);
  const idle = residentBytes(ours.api.pid);
  const watch = watchMemory([ours.api.pid]);
  let peak;
  try {
    await runProgram(resources, 'upload.mjs', {
      ...v2Upload(ours.apiPort, ids[0], bytes, { store: backend.id, chunked: true }),
      paths: ids.map((id) => `/v2/images/${id}/file`),
      stopAfterMs: options.seconds * 2000,
    });
  } finally {
    [peak] = watch.stop();
  }
  for (const id of ids) await removeImage(ours.url, 'v2', id);
  return row(`store ${backend.id}: memory, ${PARALLEL} uploads of unknown length`, {
    measured: (peak - idle) / MIB,
    unit: 'MiB',
    atMost: 64,
    details: { idleMib: idle / MIB },
  });
}

function configurationOf(backends) {
  const list = backends.map(({ id, type }) => `${id}:${type}`).join(', ');
  const sections = backends.map(({ id, options }) => `[${id}]\n${options}\n`);
  return `[DEFAULT]
enabled_backends = ${list}
[glance_store]
default_backend = ${backends[0].id}
${sections.join('')}`;
}

/** A RADOS gateway over a cluster in memory, and rclone. */
async function startS3(resources) {
  const rclone = findProgram('rclone');
  const cluster = rclone && (await startCephCluster());
  if (cluster) resources.own(() => cluster.stop());
  const gatewayUrl = cluster && (await startRadosGateway(cluster));
  if (!gatewayUrl) return { id: 's3', lacking: 'rclone radosgw ceph-mon ceph-osd ceph-common' };
  const { host, origin, username, password } = new URL(gatewayUrl);
  const remote = 'bench:bench/by-client';
  return {
    id: 's3',
    type: 's3',
    client: 'rclone',
    options: `s3_store_host = ${host}
s3_store_access_key = ${username}
s3_store_secret_key = ${password}
s3_store_bucket = bench
s3_store_create_bucket_on_put = true`,
    env: {
      RCLONE_CONFIG_BENCH_TYPE: 's3',
      RCLONE_CONFIG_BENCH_PROVIDER: 'Ceph',
      RCLONE_CONFIG_BENCH_ENDPOINT: origin,
      RCLONE_CONFIG_BENCH_ACCESS_KEY_ID: username,
      RCLONE_CONFIG_BENCH_SECRET_ACCESS_KEY: password,
    },
    upload: (file) => [rclone, 'copyto', file, remote],
    download: (file) => [rclone, 'copyto', '--ignore-times', remote, file],
    remove: [rclone, 'deletefile', remote],
  };
}

/** @returns the wall seconds of a command. */
async function timed({ env }, [command, ...args]) {
  const started = performance.now();
  // Only what it needs: settings of the machine for such clients are for other servers.
  const child = spawn(command, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env.PATH, HOME: os.tmpdir(), ...env },
  });
  let errors = '';
  child.stderr.on('data', (text) => (errors += text));
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${errors}`);
  return (performance.now() - started) / 1000;
}

async function randomFile(file, bytes) {
  const piece = Buffer.alloc(MIB);
  for (let at = 0; at < MIB; at += 4) piece.writeUInt32LE((at * 2654435761) >>> 0, at);
  async function* pieces() {
    for (let left = bytes; left > 0; left -= MIB)
      yield left < MIB ? piece.subarray(0, left) : piece;
  }
  await pipeline(pieces, createWriteStream(file));
  return file;
}
