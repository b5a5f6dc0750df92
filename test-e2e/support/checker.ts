import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { allImages, type Deployment, type ImageAnswer } from './deployment';
import { queryAll } from './sql';

/** What a writer knows of an image: what it sent and what it was told. */
export interface JournalEntry {
  id: string;
  /** Of the bytes it sent, or undefined for an image that was to stay without. */
  md5: string | undefined;
  /** A 2xx came back for all of the bytes. */
  stored: boolean;
  /** `no` deletion was sent, one was sent and its answer was `lost`, or it was `acknowledged`. */
  deletion: 'no' | 'lost' | 'acknowledged';
  /** It was sent through API v2, where a failed upload leaves the image `queued`. */
  neverKilled?: boolean;
}

export interface CheckOptions {
  /** How long leases and sweepers may take. */
  settleMs: number;
  /** Headers of somebody who sees everything, where there is authentication. */
  caller?: Record<string, string>;
}

const LOG_ALARMS = /unhandledRejection|uncaughtException|TypeError|ReferenceError|RangeError/;

/**
 * The checker of reliability sheet §15: waits until leases have ended and the sweepers have run,
 * then compares database, store, what every api serves, and the journal of the writers.
 * @returns findings, each with the image it is about; none is what everybody wants.
 */
export async function check(
  deployment: Deployment,
  journal: readonly JournalEntry[],
  options: CheckOptions,
): Promise<string[]> {
  const deadline = Date.now() + options.settleMs;
  let atRest = await restlessness(deployment);
  while (atRest.length > 0 && Date.now() < deadline) {
    await pause(200);
    atRest = await restlessness(deployment);
  }
  return [
    ...atRest,
    ...(await againstJournal(deployment, journal, options.caller ?? {})),
    ...(await accounts(deployment)),
    ...logAlarms(deployment),
  ];
}

/** P2, P3, P5: what is not (yet) as it has to be once the sweepers have run. */
async function restlessness(deployment: Deployment): Promise<string[]> {
  const findings: string[] = [];
  const [images, locations, leases, copies, files] = await Promise.all([
    queryAll(deployment, 'SELECT id, status, size FROM images'),
    queryAll(deployment, 'SELECT image_id, value, status FROM image_locations'),
    queryAll(
      deployment,
      'SELECT upload_id, image_id, state, reserved_bytes, finished_at FROM registry_leases',
    ),
    queryAll(deployment, 'SELECT image_id FROM registry_copies'),
    deployment.filesInStore(),
  ]);
  for (const copy of copies) findings.push(`${copy['image_id']} still waits to be copied`);
  const status = new Map(images.map((row) => [String(row['id']), String(row['status'])]));
  for (const [id, state] of status) {
    if (['saving', 'uploading', 'importing', 'pending_delete'].includes(state)) {
      findings.push(`${id} stays ${state}`);
    }
  }
  for (const lease of leases) {
    if (lease['finished_at'] === null) {
      findings.push(`${lease['image_id']}: lease ${lease['upload_id']} stays ${lease['state']}`);
    } else if (Number(lease['reserved_bytes']) !== 0) {
      findings.push(`${lease['image_id']}: lease ${lease['upload_id']} keeps a reservation`);
    }
  }
  const owned = new Map<string, string>();
  const prefix = `file://${deployment.imageDirectory}/`;
  for (const { image_id: id, value, status: state } of locations) {
    const url = String(value);
    if (state !== 'active' || !url.startsWith(prefix)) continue;
    const name = url.slice(prefix.length);
    if (owned.has(name)) findings.push(`${id} and ${owned.get(name)} share the file ${name}`);
    owned.set(name, String(id));
  }
  for (const file of files) {
    if (!owned.has(file)) findings.push(`file ${file} belongs to no image`);
  }
  for (const [name, id] of owned) {
    if (!files.includes(name)) findings.push(`${id} is ${status.get(id)} without its file ${name}`);
  }
  for (const [id, state] of status) {
    if (state === 'active' && ![...owned.values()].includes(id)) {
      const size = Number(images.find((row) => row['id'] === id)?.['size']);
      if (size !== 0) findings.push(`${id} is active without a location`);
    }
  }
  return findings;
}

/** P1, P4, P7: what was acknowledged is there with its bytes on every api, what was deleted is not. */
async function againstJournal(
  deployment: Deployment,
  journal: readonly JournalEntry[],
  caller: Record<string, string>,
): Promise<string[]> {
  const findings: string[] = [];
  const images = await allImages(deployment.apiUrl, caller);
  const visible = new Map(images.map((image) => [image.id, image]));
  for (const entry of journal) {
    const image = visible.get(entry.id);
    if (entry.stored && entry.deletion === 'no' && image?.status !== 'active') {
      findings.push(`${entry.id} was acknowledged and is ${image?.status ?? 'gone'}`);
    }
    if (entry.deletion === 'acknowledged') {
      if (image) findings.push(`${entry.id} was deleted and is ${image.status}`);
      findings.push(...(await reuse(deployment, entry.id, caller)));
    }
    if (entry.neverKilled === true && image?.status === 'killed') {
      findings.push(`${entry.id} was sent through v2 and is killed`);
    }
    if (image?.status === 'active' && entry.md5 !== undefined) {
      findings.push(...(await wrongBytes(deployment, image, entry.md5, caller)));
    }
  }
  return findings;
}

async function reuse(
  deployment: Deployment,
  id: string,
  caller: Record<string, string>,
): Promise<string[]> {
  const answer = await fetch(`${deployment.apiUrl}/v1/images`, {
    method: 'POST',
    headers: { ...caller, 'x-image-meta-id': id },
  });
  await answer.arrayBuffer();
  return answer.status === 409 ? [] : [`${id} was deleted and can be used again`];
}

async function wrongBytes(
  deployment: Deployment,
  image: ImageAnswer,
  md5: string,
  headers: Record<string, string>,
): Promise<string[]> {
  const findings: string[] = [];
  if (image.checksum !== md5) findings.push(`${image.id} has the checksum ${image.checksum}`);
  // Both APIs serve the same bytes, whichever of them these came through.
  const places = [`/v1/images/${image.id}`, `/v2/images/${image.id}/file`];
  for (const url of deployment.apiUrls.flatMap((api) => places.map((place) => `${api}${place}`))) {
    const answer = await fetch(url, { headers });
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (!answer.ok) findings.push(`${image.id}: GET answers ${answer.status} at ${url}`);
    else if (createHash('md5').update(bytes).digest('hex') !== md5) {
      findings.push(`${image.id} has other bytes at ${url}`);
    }
  }
  return findings;
}

/** P9: what the accounts say is what is stored. */
async function accounts(deployment: Deployment): Promise<string[]> {
  const [usage, stored] = await Promise.all([
    queryAll(deployment, 'SELECT owner, used_bytes, reserved_bytes FROM registry_quota_usage'),
    queryAll(
      deployment,
      `SELECT images.owner AS owner, SUM(images.size) AS bytes FROM images
        JOIN image_locations ON image_locations.image_id = images.id
        WHERE image_locations.status = 'active' AND images.status <> 'deleted'
        GROUP BY images.owner`,
    ),
  ]);
  const bytes = new Map(stored.map((row) => [String(row['owner']), Number(row['bytes'])]));
  const findings: string[] = [];
  for (const row of usage) {
    const owner = String(row['owner']);
    const used = bytes.get(owner) ?? 0;
    if (Number(row['used_bytes']) !== used) {
      findings.push(`the account of ${owner} says ${row['used_bytes']} bytes, stored are ${used}`);
    }
    if (Number(row['reserved_bytes']) !== 0) {
      findings.push(`the account of ${owner} keeps ${row['reserved_bytes']} bytes reserved`);
    }
  }
  return findings;
}

function logAlarms(deployment: Deployment): string[] {
  const lines = deployment.logs().split('\n');
  return lines.filter((line) => LOG_ALARMS.test(line)).map((line) => `log: ${line}`);
}
