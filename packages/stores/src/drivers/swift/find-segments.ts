import Joi from 'joi';
import type { FoundObject } from './found-object';
import { parsed } from './listings';
import type { ObjectPlace } from './read-object';
import { copyUnsupported } from './swift-errors';
import { MAX_SEGMENTS } from './write-segments';

/** An object whose bytes are a part of a large one, or all of it. */
export interface Segment {
  container: string;
  key: string;
  sizeBytes: number;
}

interface StaticSegment {
  /** `/container/object` */
  name: string;
  bytes: number;
}

/** Nothing but whole objects: no ranges, no bytes in the manifest, no manifests below it. */
const STATIC_MANIFEST = Joi.array<StaticSegment[]>()
  .items(
    Joi.object({
      name: Joi.string()
        .pattern(/^\/[^/]+\/./)
        .required(),
      bytes: Joi.number().integer().required(),
      range: Joi.forbidden(),
      data: Joi.forbidden(),
      sub_slo: Joi.valid(false),
    }).unknown(),
  )
  .required();

/**
 * The segments of a large object, in order.
 * @returns undefined for a plain object.
 * @throws `store_get_unsupported` where they do not amount to the object.
 */
export async function findSegments(
  place: ObjectPlace,
  found: FoundObject,
): Promise<Segment[] | undefined> {
  const { manifest, isStatic, sizeBytes } = found;
  if (manifest === undefined && !isStatic) return undefined;
  const segments = isStatic ? await staticSegments(place) : await dynamicSegments(place, manifest);
  const total = segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  if (total !== sizeBytes || segments.length > MAX_SEGMENTS) throw copyUnsupported();
  return segments;
}

async function dynamicSegments(
  { container }: ObjectPlace,
  manifest: FoundObject['manifest'],
): Promise<Segment[]> {
  if (manifest === undefined) return [];
  const segments: Segment[] = [];
  const place = container.beside(manifest.container);
  for await (const { key, sizeBytes } of place.list(manifest.prefix)) {
    segments.push({ container: manifest.container, key, sizeBytes });
  }
  return segments;
}

async function staticSegments({ container, object }: ObjectPlace): Promise<Segment[]> {
  const body = parsed(await container.staticManifest(object));
  const entries: Joi.ValidationResult<StaticSegment[]> = STATIC_MANIFEST.validate(body);
  if (entries.error) throw copyUnsupported(entries.error);
  return entries.value.map(({ name, bytes }) => {
    const [, of = '', ...key] = name.split('/');
    return { container: of, key: key.join('/'), sizeBytes: bytes };
  });
}
