import type { SheepCluster } from './sheep-cluster';
import { entriesPart, removingPart } from './vdi';
import type { Vdi } from './vdi';

/** Entries that are cleared in one request: the server gives up their objects meanwhile. */
const ENTRIES_AT_A_TIME = 128;

/**
 * Removes an image: first from sight, then its data, by clearing its index, then itself. Whoever
 * dies in between leaves an image that nobody reads and whose removal can be begun again.
 * @throws SheepRefusal, SheepSilence; Error when the cluster keeps the image.
 */
export async function removeVdi(cluster: SheepCluster, vdi: Vdi): Promise<void> {
  await cluster.writeInode(vdi.vid, removingPart());
  await clearIndex(cluster, vdi);
  await cluster.remove(vdi.name);
  // It answers in the same way whether it has removed it or not.
  if ((await cluster.findVid(vdi.name)) === vdi.vid) {
    throw new Error(`Sheepdog: image ${vdi.name} is still there after its removal`);
  }
}

/**
 * Gives up the data of an image. Objects that other images share stay. The tree of a hyper volume is
 * left alone: the server goes through it at the removal.
 */
export async function clearIndex(
  cluster: SheepCluster,
  { vid, sizeBytes, objectBytes, isHyperVolume }: Vdi,
): Promise<void> {
  if (isHyperVolume) return;
  const objects = Math.ceil(sizeBytes / objectBytes);
  for (let first = 0; first < objects; first += ENTRIES_AT_A_TIME) {
    const count = Math.min(ENTRIES_AT_A_TIME, objects - first);
    const owners = await cluster.readEntries(vid, first, count);
    if (owners.every((owner) => owner === 0)) continue;
    await cluster.writeInode(vid, entriesPart(first, new Array<number>(count).fill(0)));
  }
}
