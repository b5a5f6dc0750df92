import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { prepareServices } from '../deployment.mjs';
import { importByV2, reserveByV2 } from '../image-calls.mjs';
import { nginxMissing, startNginx } from '../nginx.mjs';
import { findProgram, runToEnd } from '../processes.mjs';
import { missing, row } from '../report.mjs';
import { least } from '../statistics.mjs';

const WHAT = 'import by web-download: speed / curl to a synced file, then MD5 beside SHA-512';
const MIB = 1024 * 1024;

/** In turn; nginx serves the data from the page cache, and both write to one file system. */
export async function measureImport({ resources, server, options }) {
  const lacking = [nginxMissing(), findProgram('curl') ? undefined : 'curl'].filter(Boolean);
  if (lacking.length > 0) return [missing(WHAT, lacking.join(', '))];
  return resources.scope(async (scope) => {
    const served = scope.directory();
    writeRandom(path.join(served, 'disk'), options.sizeBytes);
    const nginx = await startNginx(scope, { directory: scope.directory(), served });
    const uri = `http://127.0.0.1:${nginx.port}/disk`;
    const { directory } = options;
    const apiConf = importConf(nginx.port);
    const { services } = await prepareServices(scope, { server, directory, apiConf });
    const { url } = await services.start(scope);
    const imports = [];
    const copies = [];
    for (let round = 0; round < options.rounds; round += 1) {
      const id = await reserveByV2(url);
      imports.push(await secondsOf(() => importByV2(url, id, uri)));
      const file = path.join(services.directory, `curl-${round}`);
      copies.push(await secondsOf(() => copyAndHash(uri, file)));
      rmSync(file);
    }
    const [importSeconds, copySeconds] = [imports, copies].map(least);
    return [
      row(WHAT, {
        measured: copySeconds / importSeconds,
        atLeast: 0.8,
        details: { importSeconds, copySeconds, imports, copies },
      }),
    ];
  });
}

function importConf(port) {
  return `[DEFAULT]
enabled_import_methods = web-download
[import_filtering_opts]
allowed_ports = 80,${port}
[glance_store]
http_store_allowed_networks = 127.0.0.0/8
http_store_allowed_ports = ${port}
`;
}

function writeRandom(file, bytes) {
  const piece = randomBytes(MIB);
  const handle = openSync(file, 'wx');
  for (let done = 0; done < bytes; done += piece.length) {
    writeSync(handle, piece, 0, Math.min(piece.length, bytes - done));
  }
  fsyncSync(handle);
  closeSync(handle);
}

async function copyAndHash(uri, file) {
  runToEnd(findProgram('curl'), ['--silent', '--fail', '--output', file, uri]);
  runToEnd('sync', [file]);
  await Promise.all(['md5sum', 'sha512sum'].map((program) => ended(spawn(program, [file]))));
}

function ended(child) {
  child.stdout.resume();
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`exit code ${code}`)),
    );
  });
}

async function secondsOf(work) {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}
