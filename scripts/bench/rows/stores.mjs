import { spawn } from 'node:child_process';
import { createWriteStream, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { startCephCluster } from '../../ceph-cluster.mjs';
import { startRadosGateway } from '../../rados-gateway.mjs';
import { startSwift } from '../../swift.mjs';
import { prepareServices } from '../deployment.mjs';
import { removeImage, reserveByV2, uploadByV2, v1Download, v2Upload } from '../image-calls.mjs';
import { childrenOf, cpuSeconds, residentBytes, watchMemory } from '../proc.mjs';
import { findProgram, runProgram } from '../processes.mjs';
import { missing, row } from '../report.mjs';
import { least, repeat } from '../statistics.mjs';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const PARALLEL = 16;
/** Uploaded before memory is measured, so that what every process needs once is not counted. */
const WARM_UP_BYTES = 8 * MIB;
/** The store that shows what glance-api itself takes for an upload. */
const FILES = 'files';
const STARTS = { s3: startS3, rbd: startRbd, swift: startSwiftStore };

export const STORES = Object.keys(STARTS);

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
  const ceph = await startCephCluster({ memoryBytes: 4 * bytes + 4 * GIB });
  if (ceph) resources.own(() => ceph.stop());
  const parts = { resources, ceph, directory: resources.directory() };
  for (const name of options.stores) {
    const { lacking, ...backend } = await STARTS[name](parts);
    if (lacking) rows.push(missing(`store ${backend.id}: speed / its own client`, lacking));
    else backends.push(backend);
  }
  if (backends.length === 0) return rows;
  const { services } = await prepareServices(resources, {
    server,
    directory: options.directory,
    apiConf: configurationOf(backends, resources.directory(options.directory)),
  });
  const directory = resources.directory(options.directory);
  const file = await randomFile(path.join(directory, 'data'), bytes);
  // Each with processes of its own: what one has left behind would be another's idle memory.
  const alone = (measure) =>
    resources.scope(async (scope) => measure(scope, await services.start(scope)));
  const fileMemory = await alone((scope, ours) =>
    memoryGrowth(scope, ours, FILES, { bytes, options }),
  );
  for (const backend of backends) {
    rows.push(
      ...(await alone((scope, ours) =>
        measureSpeed(scope, ours, backend, { file, bytes, options }),
      )),
    );
    rows.push(
      await alone((scope, ours) =>
        measureMemory(scope, ours, backend, { bytes, options, file: fileMemory }),
      ),
    );
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
    const upload = await withCpu(ours, () =>
      uploadByV2(resources, at, bytes, { store: backend.id }),
    );
    const { id, wallSeconds } = upload.result;
    const download = await withCpu(ours, () =>
      runProgram(resources, 'download.mjs', { sources: [v1Download(ours.apiPort, id, bytes)] }),
    );
    await removeImage(ours.url, 'v2', id);
    const files = await uploadByV2(resources, at, bytes, { store: FILES });
    await removeImage(ours.url, 'v2', files.id);
    return {
      client,
      fileSeconds: files.wallSeconds,
      ours: { upload: wallSeconds, download: download.result.wallSeconds[0][0] },
      cpu: { upload: upload.cpu, download: download.cpu },
    };
  });
  const rows = ['upload', 'download'].map((way) => {
    const oursSeconds = least(rounds.map((each) => each.ours[way]));
    const clientSeconds = least(rounds.map((each) => each.client[way]));
    return row(`store ${backend.id}: ${way} speed / ${backend.client}`, {
      measured: clientSeconds / oursSeconds,
      atLeast: 0.8,
      details: { oursSeconds, clientSeconds, oursCpuSeconds: rounds.map(({ cpu }) => cpu[way]) },
    });
  });
  const seconds = least(rounds.map(({ ours: { upload } }) => upload));
  const fileSeconds = least(rounds.map((each) => each.fileSeconds));
  const what = `store ${backend.id}: upload speed / to a file store`;
  return [...rows, row(what, { measured: fileSeconds / seconds, details: { fileSeconds } })];
}

/** @returns what the work gave, and the CPU seconds that glance-api and its helpers spent on it. */
async function withCpu({ api }, work) {
  const spent = () => sum([api.pid, ...childrenOf(api.pid)].map(cpuSeconds));
  const before = spent();
  const result = await work();
  return { result, cpu: spent() - before };
}

/** @param file what {@link memoryGrowth} is for a store of files. */
async function measureMemory(resources, ours, backend, { bytes, options, file }) {
  const growth = await memoryGrowth(resources, ours, backend.id, { bytes, options });
  return row(`store ${backend.id}: memory, ${PARALLEL} uploads of unknown length - file store`, {
    measured: toMib(growth.total - file.total),
    unit: 'MiB',
    atMost: 64,
    details: { growthMib: growth.each.map(toMib), fileStoreMib: file.each.map(toMib) },
  });
}

/**
 * Bytes of memory above idle while uploads run that announce no length: of glance-api and of each of
 * its helpers, and together.
 */
async function memoryGrowth(resources, ours, store, { bytes, options }) {
  const at = { url: ours.url, port: ours.apiPort };
  const warmUp = await uploadByV2(resources, at, WARM_UP_BYTES, { store });
  await removeImage(ours.url, 'v2', warmUp.id);
  const ids = [];
  for (let each = 0; each < PARALLEL; each += 1) ids.push(await reserveByV2(ours.url));
  await pause(2000);
  const pids = [ours.api.pid, ...childrenOf(ours.api.pid)];
  const idle = pids.map(residentBytes);
  const watch = watchMemory(pids);
  let peak;
  try {
    await runProgram(resources, 'upload.mjs', {
      ...v2Upload(ours.apiPort, ids[0], bytes, { store, chunked: true }),
      paths: ids.map((id) => `/v2/images/${id}/file`),
      stopAfterMs: options.seconds * 2000,
    });
  } finally {
    peak = watch.stop();
  }
  for (const id of ids) await removeImage(ours.url, 'v2', id);
  const each = peak.map((largest, index) => largest - idle[index]);
  return { each, total: sum(each) };
}

const toMib = (bytes) => bytes / MIB;
const sum = (numbers) => numbers.reduce((total, each) => total + each, 0);

/** @param directory of a store of files, beside which the others are measured. */
function configurationOf(backends, directory) {
  const list = [`${FILES}:file`, ...backends.map(({ id, type }) => `${id}:${type}`)].join(', ');
  const sections = backends.map(({ id, options }) => `[${id}]\n${options}\n`);
  return `[DEFAULT]
enabled_backends = ${list}
[glance_store]
default_backend = ${FILES}
[${FILES}]
filesystem_store_datadir = ${directory}
${sections.join('')}`;
}

/** A RADOS gateway, and rclone. */
async function startS3({ ceph }) {
  const rclone = findProgram('rclone');
  const url = rclone && ceph && (await startRadosGateway(ceph))?.s3;
  if (!url) return { id: 's3', lacking: 'rclone radosgw ceph-mon ceph-osd ceph-common' };
  const { host, origin, username, password } = new URL(url);
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

/** Ceph's own block devices, and rbd. */
function startRbd({ ceph }) {
  const rbd = findProgram('rbd');
  if (!rbd || !ceph) return { id: 'rbd', lacking: 'librbd1 ceph-mon ceph-osd ceph-common' };
  const call = [rbd, '-c', ceph.conf, '--no-progress'];
  return {
    id: 'rbd',
    type: 'rbd',
    client: 'rbd',
    options: `rbd_store_ceph_conf = ${ceph.conf}
rbd_store_user = glance`,
    env: {},
    upload: (file) => [...call, 'import', file, 'images/by-client'],
    // It does not overwrite.
    download: (file) => [
      'sh',
      '-c',
      'rm -f "$0" && exec "$@"',
      file,
      ...call,
      'export',
      'images/by-client',
      file,
    ],
    remove: [...call, 'rm', 'images/by-client'],
  };
}

/** Swift, and its client: plain objects both ways. */
async function startSwiftStore({ resources, directory }) {
  const client = findProgram('swift');
  const server = client && (await startSwift());
  if (!server) {
    const servers = 'swift-proxy swift-account swift-container swift-object memcached';
    return { id: 'swift', lacking: `python3-swiftclient ${servers}` };
  }
  resources.own(() => server.stop());
  const url = new URL(server.url);
  const user = decodeURIComponent(url.username);
  const key = decodeURIComponent(url.password);
  const address = `${url.origin}${url.pathname}`;
  const references = path.join(directory, 'swift-references.conf');
  writeFileSync(references, `[ref1]\nauth_address = ${address}\nuser = ${user}\nkey = ${key}\n`);
  return {
    id: 'swift',
    type: 'swift',
    client: 'swift',
    options: `swift_store_auth_version = 1
swift_store_config_file = ${references}
swift_store_container = bench
swift_store_create_container_on_put = true`,
    env: { ST_AUTH: address, ST_USER: user, ST_KEY: key },
    upload: (file) => [client, 'upload', '--object-name', 'by-client', 'by-client', file],
    download: (file) => [client, 'download', '--output', file, 'by-client', 'by-client'],
    remove: [client, 'delete', 'by-client'],
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
