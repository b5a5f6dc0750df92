// The two hashes of an upload and nothing else, one after the other. Prints the CPU seconds of
// both and the wall seconds of each.
import { createHash } from 'node:crypto';

const CHUNK_BYTES = 256 * 1024;

const { bytes } = JSON.parse(process.argv[2]);
// As many different bytes as an upload has in flight, so that the caches are used alike.
const chunks = Array.from({ length: 4 }, (_, index) => Buffer.alloc(CHUNK_BYTES, index + 1));
const before = process.cpuUsage();
const wallSeconds = Object.fromEntries(['md5', 'sha512'].map((name) => [name, timeOf(name)]));
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ cpuSeconds: (user + system) / 1e6, wallSeconds }));

function timeOf(algorithm) {
  const hash = createHash(algorithm);
  const started = performance.now();
  for (let done = 0, turn = 0; done < bytes; done += CHUNK_BYTES, turn += 1) {
    hash.update(chunks[turn % chunks.length].subarray(0, Math.min(CHUNK_BYTES, bytes - done)));
  }
  hash.digest();
  return (performance.now() - started) / 1000;
}
