import { setTimeout as pause } from 'node:timers/promises';
import { prepareServices } from '../deployment.mjs';
import { uploadByV1, v1Download, v1Upload } from '../image-calls.mjs';
import { residentBytes, watchMemory } from '../proc.mjs';
import { runProgram } from '../processes.mjs';
import { row } from '../report.mjs';

const MIB = 1024 ** 2;
const WARM_UP_BYTES = 64 * MIB;
const SETTLE_MS = 2000;

/**
 * Memory above idle while so many transfers of the full size are in flight: uploads, downloads as
 * fast as they go, and downloads by clients that read slowly. Each kind is watched for some seconds
 * and then broken off: memory does not depend on how long it runs, or the figure would show it.
 */
export async function measureMemory({ resources, server, options }) {
  const { parallel, sizeBytes: bytes } = options;
  const stopAfterMs = options.seconds * 4000;
  const { services } = await prepareServices(resources, { server, directory: options.directory });
  return resources.scope(async (scope) => {
    const ours = await services.start(scope);
    const port = ours.apiPort;
    // Idle is a process that has served: its code is compiled and its threads have started.
    await uploadByV1(scope, port, WARM_UP_BYTES);
    const { id } = await uploadByV1(scope, port, bytes);
    const sources = [v1Download(port, id, bytes)];
    await runProgram(scope, 'download.mjs', { sources });
    await pause(SETTLE_MS);
    const pids = [ours.api.pid, ours.registry.pid];
    const idle = pids.map(residentBytes);
    const loads = {
      uploads: ['upload.mjs', { ...v1Upload(port, bytes), parallel, stopAfterMs }],
      downloads: ['download.mjs', { sources, parallel, stopAfterMs }],
      'slow downloads': [
        'download.mjs',
        { sources, parallel, stopAfterMs, bytesPerSecond: 4 * MIB },
      ],
    };
    const peaks = {};
    for (const [name, [program, task]] of Object.entries(loads)) {
      const watch = watchMemory(pids);
      try {
        await runProgram(scope, program, task);
      } finally {
        peaks[name] = watch.stop();
      }
      // What was broken off is taken back: the next kind is not measured on top of it.
      await pause(SETTLE_MS);
    }
    return ['glance-api', 'glance-registry'].map((service, index) => {
      const above = Object.fromEntries(
        Object.entries(peaks).map(([name, peak]) => [name, (peak[index] - idle[index]) / MIB]),
      );
      return row(`memory: ${service} above idle, ${parallel} transfers`, {
        measured: Math.max(...Object.values(above)),
        unit: 'MiB',
        atMost: 64,
        details: { idleMib: idle[index] / MIB, aboveIdleMib: above },
      });
    });
  });
}
