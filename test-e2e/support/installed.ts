import { spawnSync } from 'node:child_process';

const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

/** `describe` where each of these is one: nothing that they need is missing. */
export function describeWithAll(...all: jest.Describe[]): jest.Describe {
  return all.find((each) => each !== describe) ?? describe;
}

/**
 * `describe` where a program is there; else skipped, aloud, and an error in CI.
 * @param command a harmless call of it
 */
export function describeWith(what: string, command: string, ...args: string[]): jest.Describe {
  if (spawnSync(command, args, { env: { ...process.env, PATH } }).status === 0) return describe;
  const text = `NO ${what}: its tests are SKIPPED`;
  if (process.env['CI'] !== undefined) throw new Error(text);
  process.stderr.write(`\n${text}\n\n`);
  return describe.skip;
}
