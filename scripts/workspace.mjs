// What `npm start` and `npm test` share: dependencies and build brought up to date when they are not.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export const ROOT = path.resolve(import.meta.dirname, '..');
const STAMPS = path.join(ROOT, 'node_modules', '.cache', 'glance');

/** Runs a program in the checkout; ends this one when it fails. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit', ...options });
  if (result.status !== 0) {
    console.error(`${command} ${args.join(' ')} failed`);
    process.exit(result.status ?? 1);
  }
}

export function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    console.error(`Node 20.19 or newer is needed, this is ${process.versions.node}.`);
    process.exit(1);
  }
}

export function ensureInstalled() {
  const lock = createHash('sha256')
    .update(readFileSync(path.join(ROOT, 'package-lock.json')))
    .digest('hex');
  if (stamp('installed') === lock && existsSync(path.join(ROOT, 'node_modules', 'express'))) return;
  console.log('Installing the dependencies ...');
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
  writeStamp('installed', lock);
}

/** Builds when a source is newer than the last build; `all` checks the types of the tests as well. */
export function ensureBuilt({ all }) {
  const kind = all ? 'built-all' : 'built';
  const state = sourceState();
  if (stamp(kind) === state) return;
  console.log('Building ...');
  const projects = all
    ? []
    : readdirSync(path.join(ROOT, 'packages')).map((name) => `packages/${name}/tsconfig.json`);
  run(process.execPath, [bin('typescript', 'bin/tsc'), '--build', ...projects]);
  writeStamp(kind, state);
  if (all) writeStamp('built', state);
}

export function bin(pkg, file) {
  return path.join(ROOT, 'node_modules', pkg, file);
}

/** Changes when a source file is added, changed or removed, or when the build was removed. */
function sourceState() {
  const hash = createHash('sha256');
  const packages = path.join(ROOT, 'packages');
  for (const name of readdirSync(packages).sort()) {
    hash.update(String(existsSync(path.join(packages, name, 'dist', 'index.js'))));
    hashSources(hash, path.join(packages, name, 'src'));
  }
  hashSources(hash, path.join(ROOT, 'test-e2e'));
  return hash.digest('hex');
}

function hashSources(hash, directory) {
  for (const file of readdirSync(directory, { recursive: true }).sort()) {
    if (!file.endsWith('.ts') || file.startsWith('dist/')) continue;
    const { mtimeMs, size } = statSync(path.join(directory, file));
    hash.update(`${directory}/${file}:${mtimeMs}:${size}\n`);
  }
}

function stamp(name) {
  const file = path.join(STAMPS, name);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

function writeStamp(name, text) {
  mkdirSync(STAMPS, { recursive: true });
  // The build may have made the output directories that the state speaks of.
  writeFileSync(path.join(STAMPS, name), name === 'installed' ? text : sourceState());
}
