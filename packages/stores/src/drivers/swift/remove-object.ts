import type { FoundObject } from './found-object';
import type { SwiftContainer } from './swift-container';

/** Segments that are deleted at a time. */
const AT_A_TIME = 8;

/**
 * An object with its segments. The object itself goes last, so that whoever dies in between finds
 * the rest again.
 */
export async function removeObject(
  container: SwiftContainer,
  key: string,
  { manifest, isStatic }: FoundObject,
): Promise<void> {
  if (isStatic) {
    await container.removeStatic(key);
    return;
  }
  // What does not look like segments of this object stays: it may be that of others.
  if (manifest !== undefined && isPrefixOf(key, manifest.prefix)) {
    const place = container.beside(manifest.container);
    let segments: string[] = [];
    for await (const segment of place.list(manifest.prefix)) {
      segments.push(segment.key);
      if (segments.length < 1000) continue;
      await removeAll(place, segments);
      segments = [];
    }
    await removeAll(place, segments);
  }
  await container.remove(key);
}

export async function removeAll(container: SwiftContainer, keys: readonly string[]): Promise<void> {
  const left = [...keys];
  const work = async (): Promise<void> => {
    for (let key = left.shift(); key !== undefined; key = left.shift()) await container.remove(key);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
}

/** `<object>-…` as image services name segments, or `<object>/…` as the swift client does. */
function isPrefixOf(key: string, prefix: string): boolean {
  return prefix.startsWith(`${key}-`) || prefix.startsWith(`${key}/`);
}
