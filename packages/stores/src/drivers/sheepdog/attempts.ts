import { ageOf, ownKey } from '../../remote/unfinished-marks';
import { parseBlobName } from '../../store-driver';
import type { UnfinishedBlob, UnfinishedFate, UploadName } from '../../store-driver';
import { removeVdi } from './remove-vdi';
import type { SheepCluster } from './sheep-cluster';
import { settledPart } from './vdi';
import type { Vdi } from './vdi';

/** Attempts that are not settled: their images say so themselves. */
export async function listAttempts(cluster: SheepCluster): Promise<UnfinishedBlob[]> {
  const found: UnfinishedBlob[] = [];
  for await (const { name, attempt, sizeBytes, created } of cluster.list()) {
    const imageId = parseBlobName(name)?.imageId;
    if (attempt === undefined || imageId === undefined) continue;
    found.push({ imageId, uploadId: attempt.uploadId, sizeBytes, ageSeconds: ageOf(created) });
  }
  return found;
}

/** Nothing there is a success. Images of other attempts, and settled ones, are out of reach. */
export async function removeAttempt(
  cluster: SheepCluster,
  name: UploadName,
  fate: UnfinishedFate,
): Promise<void> {
  const vdi = await findAttempt(cluster, name);
  if (vdi === undefined) return;
  if (fate === 'abandoned' || vdi.attempt?.state === 'writing') await removeVdi(cluster, vdi);
  else await cluster.writeInode(vdi.vid, settledPart());
}

async function findAttempt(cluster: SheepCluster, name: UploadName): Promise<Vdi | undefined> {
  for (const candidate of [ownKey(name), name.imageId]) {
    const vdi = await cluster.find(candidate);
    if (vdi?.attempt?.uploadId === name.uploadId) return vdi;
  }
  return undefined;
}
