import type { ImageRecord, MemberStatus } from '@glance/common';
import type { Registry } from '../../registry';

/** How the suite gets at one implementation, and at what the contract itself has no call for. */
export interface RegistryContractHarness {
  /** Called once, before the first case. */
  start(): Promise<RegistryUnderTest>;
}

export interface RegistryUnderTest {
  registry: Registry;
  /** Shares an image with a project. */
  addMember(imageId: string, projectId: string, status: MemberStatus): Promise<void>;
  /** Every upload that is running runs out of its lease and is rolled back, as by the sweeper. */
  expireLeases(): Promise<void>;
  /** Changes columns of an image past all rules. */
  overwrite(
    imageId: string,
    columns: Partial<Pick<ImageRecord, 'status' | 'createdAt' | 'updatedAt'>>,
  ): Promise<void>;
  /** Called once, after the last case: nothing is left open. */
  close(): Promise<void>;
}
