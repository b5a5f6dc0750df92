import { execFile, execFileSync } from 'node:child_process';
import { cp, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { ROOT } from './deployment';

const run = promisify(execFile);
const MANIFESTS = path.join(ROOT, 'deploy/kubernetes');

export interface Container {
  name: string;
  image: string;
  command: string[];
  args: string[];
  envFrom: { secretRef: { name: string } }[];
  ports?: { name: string; containerPort: number }[];
  volumeMounts: { name: string; mountPath: string }[];
  [probe: `${string}Probe`]: { httpGet: { path: string; port: string } };
}

export interface Volume {
  name: string;
  persistentVolumeClaim?: { claimName: string };
  emptyDir?: object;
  projected?: {
    sources: {
      configMap?: { name: string };
      secret?: { name: string; items: { key: string; path: string }[] };
    }[];
  };
}

export interface PodTemplate {
  metadata: { labels: Record<string, string> };
  spec: {
    containers: Container[];
    volumes: Volume[];
    terminationGracePeriodSeconds?: number;
    securityContext: Record<string, unknown>;
  };
}

/** What the tests look at of an object, whatever its kind. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  data?: Record<string, string>;
  spec?: {
    template?: PodTemplate;
    selector?: Record<string, string> | { matchLabels: Record<string, string> };
    podSelector?: { matchLabels: Record<string, string> };
    ports?: { port: number; targetPort: string }[];
    [field: string]: unknown;
  };
}

/** What an operator puts into a directory of secrets before anything can be built. */
const SECRET_FILES = { 'service.key': 'k'.repeat(64) };

/** What kubectl makes of the base, or of an overlay, once there are secrets. */
export async function buildManifests(variant: string): Promise<Manifest[]> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'glance-kubernetes-'));
  try {
    // Only what is in git: an operator may have made his own secrets here.
    const tracked = execFileSync(
      'git',
      ['ls-files', '-z', '--cached', '--others', '--exclude-standard', MANIFESTS],
      { cwd: ROOT },
    );
    for (const file of tracked.toString().split('\0').filter(Boolean)) {
      const name = path.relative(MANIFESTS, path.join(ROOT, file));
      await cp(path.join(ROOT, file), path.join(directory, name));
      if (name.endsWith('.example')) {
        await rename(
          path.join(directory, name),
          path.join(directory, name.replace('.example', '')),
        );
      }
    }
    for (const [name, text] of Object.entries(SECRET_FILES)) {
      await writeFile(path.join(directory, 'base/secrets', name), `${text}\n`);
    }
    const { stdout, stderr } = await run('kubectl', ['kustomize', path.join(directory, variant)]);
    if (stderr.includes('deprecated')) throw new Error(stderr);
    return parseAllDocuments(stdout).map((document) => document.toJS() as Manifest);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** An object as kubectl's own types read and write it: without fields that they do not have. @throws when a type is wrong. */
export async function throughKubectl(manifest: Manifest): Promise<unknown> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'glance-kubernetes-'));
  try {
    const file = path.join(directory, 'object.json');
    await writeFile(file, JSON.stringify(manifest));
    const args = ['set', 'env', '--local', '-f', file, 'LOOKED_AT=1', '-o', 'json'];
    return JSON.parse((await run('kubectl', args)).stdout) as unknown;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Paths of fields that `given` has and `kept` has not. */
export function lostFields(given: unknown, kept: unknown, at = ''): string[] {
  if (typeof given !== 'object' || given === null) return [];
  if (typeof kept !== 'object' || kept === null) return [at];
  return Object.entries(given).flatMap(([key, value]) => {
    const place = `${at}.${key}`;
    if (!Object.hasOwn(kept, key)) return [place];
    return lostFields(value, (kept as Record<string, unknown>)[key], place);
  });
}
