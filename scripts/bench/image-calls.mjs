// Image API calls of the measurements.
import { setTimeout as pause } from 'node:timers/promises';
import { identity } from './our-services.mjs';
import { runProgram } from './processes.mjs';

const ADMIN = identity('bench-admin', 'admin');

/** The program task of a v1 upload of `bytes` bytes. */
export function v1Upload(port, bytes) {
  return {
    port,
    bytes,
    method: 'POST',
    path: '/v1/images',
    headers: {
      ...ADMIN,
      'content-type': 'application/octet-stream',
      'x-image-meta-name': 'bench',
      'x-image-meta-disk-format': 'raw',
      'x-image-meta-container-format': 'bare',
    },
  };
}

/** Uploads by v1. @returns the image's id and the wall seconds of the upload. */
export async function uploadByV1(resources, port, bytes) {
  const { wallSeconds, answers } = await runProgram(resources, 'upload.mjs', v1Upload(port, bytes));
  const [{ status, body }] = answers;
  if (status !== 201) throw new Error(`The upload was answered with ${status}: ${body}`);
  return { wallSeconds, id: /"id":\s*"([^"]+)"/.exec(body)[1] };
}

/**
 * Reserves and uploads by v2, with a length or without, to a store or to the default one.
 * @returns the image's id and the wall seconds of the upload alone.
 */
export async function uploadByV2(resources, { url, port }, bytes, { store, chunked } = {}) {
  const id = await reserveByV2(url);
  const task = v2Upload(port, id, bytes, { store, chunked });
  const { wallSeconds, answers } = await runProgram(resources, 'upload.mjs', task);
  const [{ status, body }] = answers;
  if (status !== 204) throw new Error(`The upload was answered with ${status}: ${body}`);
  return { wallSeconds, id };
}

/** @returns the id of an image without data. */
export async function reserveByV2(url) {
  const reserved = await fetch(`${url}/v2/images`, {
    method: 'POST',
    headers: { ...ADMIN, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'bench', disk_format: 'raw', container_format: 'bare' }),
  });
  if (reserved.status !== 201) throw new Error(`Reserving: ${await reserved.text()}`);
  return (await reserved.json()).id;
}

/** Imports a URL into an image. @returns when the image has the data. */
export async function importByV2(url, id, uri) {
  const accepted = await fetch(`${url}/v2/images/${id}/import`, {
    method: 'POST',
    headers: { ...ADMIN, 'content-type': 'application/json' },
    body: JSON.stringify({ method: { name: 'web-download', uri } }),
  });
  if (accepted.status !== 202) throw new Error(`Importing: ${await accepted.text()}`);
  for (;;) {
    const shown = await fetch(`${url}/v2/images/${id}`, { headers: ADMIN });
    const { status } = await shown.json();
    if (status === 'active') return;
    if (status !== 'importing') throw new Error(`The import left the image ${status}`);
    await pause(20);
  }
}

/** The program task of uploading `bytes` bytes to an image. */
export function v2Upload(port, id, bytes, { store, chunked = false } = {}) {
  return {
    port,
    bytes,
    chunked,
    method: 'PUT',
    path: `/v2/images/${id}/file`,
    headers: {
      ...ADMIN,
      'content-type': 'application/octet-stream',
      ...(store === undefined ? {} : { 'x-image-meta-store': store }),
    },
  };
}

export async function removeImage(url, version, id) {
  const answer = await fetch(`${url}/${version}/images/${id}`, {
    method: 'DELETE',
    headers: ADMIN,
  });
  if (!answer.ok) throw new Error(`Deleting: ${await answer.text()}`);
  await answer.body?.cancel();
}

/** @returns the ids of the images in the cache of an api. */
export async function cachedImages(url) {
  const answer = await fetch(`${url}/v2/cache`, { headers: ADMIN });
  if (!answer.ok) throw new Error(`Listing the cache: ${await answer.text()}`);
  return (await answer.json()).cached_images.map(({ image_id: id }) => id);
}

/** The program task of downloading an image by v1. */
export function v1Download(port, id, bytes) {
  return { port, path: `/v1/images/${id}`, headers: ADMIN, bytes };
}
