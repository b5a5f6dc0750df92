import { randomUUID } from 'node:crypto';
import type {
  BeginImport,
  ClaimImport,
  ClaimedImport,
  CommitStaging,
  CommitUpload,
  ImageRecord,
} from '@glance/common';
import type { ContractWorld } from './contract-world';

/** The steps of imports, as a service takes them. */
export class ImportWorld {
  readonly areaId = randomUUID();

  constructor(readonly world: ContractWorld) {}

  async image(): Promise<ImageRecord> {
    return await this.world.create({ diskFormat: 'raw', containerFormat: 'bare' });
  }

  /** An image whose data is staged in the area of this world. */
  async staged(overrides: Partial<CommitStaging> = {}): Promise<string> {
    const { world, areaId } = this;
    const { id } = await this.image();
    const uploadId = await world.begin(id, { stage: true });
    const staged = world.stagedData({ areaId, ...overrides });
    await world.registry.commitStaging(id, uploadId, staged, world.owner);
    return id;
  }

  async begin(id: string, overrides: Partial<BeginImport> = {}, caller = this.world.owner) {
    return await this.world.registry.beginImport(id, this.world.importRequest(overrides), caller);
  }

  /** An image that is to be imported from a URL into the stores. */
  async begun(storeIds: string[], overrides: Partial<BeginImport> = {}): Promise<string> {
    const { id } = await this.image();
    await this.begin(id, { storeIds, ...overrides });
    return id;
  }

  async claim(imageId: string, overrides: Partial<ClaimImport> = {}, caller = this.world.admin) {
    const request = {
      imageId,
      stagingAreaId: this.areaId,
      uploadId: randomUUID(),
      node: 'contract-suite:1',
      storageQuotaBytes: null,
      maxAttempts: 3,
      ...overrides,
    };
    return await this.world.registry.claimImport(request, caller);
  }

  async claimed(imageId: string, overrides: Partial<ClaimImport> = {}): Promise<ClaimedImport> {
    const claimed = await this.claim(imageId, overrides);
    if (!claimed) throw new Error('there was nothing to claim');
    return claimed;
  }

  /** Carries out the next step well. */
  async fill(imageId: string, commit: Partial<CommitUpload> = {}): Promise<ImageRecord> {
    const { lease } = await this.claimed(imageId);
    const { registry, admin } = this.world;
    return await registry.commitUpload(
      imageId,
      lease.uploadId,
      this.world.commitRequest(commit),
      admin,
    );
  }

  /** Lets the next step come to nothing. */
  async fail(imageId: string, message = 'The store is full'): Promise<void> {
    const { lease } = await this.claimed(imageId);
    await this.end(imageId, lease.uploadId, 'failed', message);
  }

  async end(
    imageId: string,
    uploadId: string,
    copy: 'failed' | 'handed_back',
    message?: string,
  ): Promise<void> {
    await this.world.registry.abandonUpload(
      imageId,
      uploadId,
      { reason: 'contract suite', locationUrl: null, copy, ...(message ? { message } : {}) },
      this.world.admin,
    );
  }

  async imageOf(id: string): Promise<ImageRecord> {
    return await this.world.registry.getImage(id, this.world.owner);
  }

  /** Properties of the service by their names. */
  async progressOf(id: string): Promise<Record<string, string | null>> {
    const { properties } = await this.imageOf(id);
    return Object.fromEntries(properties.filter(([name]) => name.startsWith('os_glance')));
  }

  async taskOf(imageId: string) {
    const [task] = await this.world.registry.listImageTasks(imageId, this.world.owner);
    if (!task) throw new Error('the image has no task');
    return task;
  }
}
