import { prepareServices } from '../deployment.mjs';
import { removeImage, uploadByV1, uploadByV2 } from '../image-calls.mjs';
import { cpuSeconds } from '../proc.mjs';
import { runProgram } from '../processes.mjs';
import { missing, row } from '../report.mjs';
import { least, repeat } from '../statistics.mjs';
import { startUpstream, upstreamMissing } from '../upstream.mjs';

const GIB = 1024 ** 3;
const CPU = 'upload: CPU of glance-api / MD5 + SHA-512 alone';
const SPEED = 'upload: speed / upstream (v2 PUT, not synced)';

/** One upload at a time, durable, against the hashes alone and against upstream. */
export async function measureUpload(bench) {
  const { resources, server, options } = bench;
  const bytes = options.sizeBytes;
  const { services, databaseUrl } = await prepareServices(resources, {
    server,
    directory: options.directory,
  });
  return resources.scope(async (scope) => {
    const ours = await services.start(scope);
    const upstream =
      upstreamMissing() || !server
        ? undefined
        : await startUpstream(scope, {
            directory: scope.directory(options.directory),
            databaseUrl,
          });
    // The first transfer pays for compiling what all others use.
    await removeImage(ours.url, 'v1', (await uploadByV1(scope, ours.apiPort, 64 * 1024 ** 2)).id);
    // In turns, so that a disturbance of some seconds meets all of them.
    const rounds = await repeat(options.rounds, async () => ({
      hashes: await runProgram(scope, 'hash-alone.mjs', { bytes }),
      ours: await uploadToOurs(scope, ours, bytes),
      upstream: upstream && (await uploadToUpstream(scope, upstream, bytes)),
    }));
    const perGib = bytes / GIB;
    const hashes = least(rounds.map((each) => each.hashes.cpuSeconds)) / perGib;
    const cpu = least(rounds.map((each) => each.ours.cpuSeconds)) / perGib;
    const wall = least(rounds.map((each) => each.ours.wallSeconds)) / perGib;
    const slower = least(rounds.map((each) => Math.max(...Object.values(each.hashes.wallSeconds))));
    const rows = [
      row(CPU, {
        measured: cpu / hashes,
        atMost: 1.5,
        details: { cpuSecondsPerGib: cpu, hashesCpuSecondsPerGib: hashes },
      }),
      row('upload: wall time / the slower hash alone', {
        measured: wall / (slower / perGib),
        details: { secondsPerGib: wall, slowerHashSecondsPerGib: slower / perGib },
      }),
    ];
    if (!upstream) {
      rows.push(
        missing(
          SPEED,
          [upstreamMissing(), server ? undefined : 'mariadb-server'].filter(Boolean).join(' '),
        ),
      );
      return rows;
    }
    const theirs = least(rounds.map((each) => each.upstream.wallSeconds)) / perGib;
    rows.push(
      row(SPEED, {
        measured: theirs / wall,
        atLeast: 2,
        details: { secondsPerGib: wall, upstreamSecondsPerGib: theirs },
      }),
    );
    return rows;
  });
}

async function uploadToOurs(scope, ours, bytes) {
  const before = cpuSeconds(ours.api.pid);
  const { wallSeconds, id } = await uploadByV1(scope, ours.apiPort, bytes);
  const used = cpuSeconds(ours.api.pid) - before;
  await removeImage(ours.url, 'v1', id);
  return { wallSeconds, cpuSeconds: used };
}

async function uploadToUpstream(scope, upstream, bytes) {
  const { wallSeconds, id } = await uploadByV2(scope, upstream, bytes);
  await removeImage(upstream.url, 'v2', id);
  return { wallSeconds };
}
