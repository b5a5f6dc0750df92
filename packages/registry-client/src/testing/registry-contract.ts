import { afterAll, beforeAll, describe } from '@jest/globals';
import { abandonCases } from './contract/abandon-cases';
import { downloadCases } from './contract/download-cases';
import { blobCases } from './contract/blob-cases';
import { changeRightsCases } from './contract/change-rights-cases';
import { checkCases } from './contract/check-cases';
import type { RegistryContractHarness, RegistryUnderTest } from './contract/contract-harness';
import { ContractWorld } from './contract/contract-world';
import { copyCases } from './contract/copy-cases';
import { createCases } from './contract/create-cases';
import { deletionCases } from './contract/deletion-cases';
import { externalDataCases } from './contract/external-data-cases';
import { generalCases } from './contract/general-cases';
import { hiddenImageCases } from './contract/hidden-image-cases';
import { listFilterCases } from './contract/list-filter-cases';
import { listOrderCases } from './contract/list-order-cases';
import { listScopeCases } from './contract/list-scope-cases';
import { locationCases } from './contract/location-cases';
import { memberCases } from './contract/member-cases';
import { importCases } from './contract/import-cases';
import { importEndCases } from './contract/import-end-cases';
import { limitCases } from './contract/limit-cases';
import { metadefCases } from './contract/metadef-cases';
import { quotaCases } from './contract/quota-cases';
import { restoreCases } from './contract/restore-cases';
import { sharedImageCases } from './contract/shared-image-cases';
import { statusCases } from './contract/status-cases';
import { updateRuleCases } from './contract/update-rule-cases';
import { updateCases } from './contract/update-cases';
import { timelineCases } from './contract/timeline-cases';
import { uploadCases } from './contract/upload-cases';
import { visibilityCases } from './contract/visibility-cases';

/**
 * What every `Registry` does, whatever is behind it. The cases need no empty registry: each works
 * in projects of its own.
 */
export function describeRegistryContract(name: string, harness: RegistryContractHarness): void {
  describe(`${name} keeps the registry contract`, () => {
    let underTest: RegistryUnderTest;

    beforeAll(async () => {
      underTest = await harness.start();
    });

    afterAll(async () => {
      await underTest.close();
    });

    const newWorld = () => new ContractWorld(underTest);

    describe('in general', () => generalCases(newWorld));
    describe('who sees an image', () => visibilityCases(newWorld));
    describe('who changes an image', () => changeRightsCases(newWorld));
    describe('what is hidden from a caller', () => hiddenImageCases(newWorld));
    describe('creating', () => createCases(newWorld));
    describe('updating', () => updateCases(newWorld));
    describe('updating under conditions', () => updateRuleCases(newWorld));
    describe('deactivating and reactivating', () => statusCases(newWorld));
    describe('what lists are made of', () => listScopeCases(newWorld));
    describe('filtering lists', () => listFilterCases(newWorld));
    describe('ordering and paging lists', () => listOrderCases(newWorld));
    describe('uploading', () => uploadCases(newWorld));
    describe('abandoning uploads', () => abandonCases(newWorld));
    describe('external data', () => externalDataCases(newWorld));
    describe('copies', () => copyCases(newWorld));
    describe('checks of locations', () => checkCases(newWorld));
    describe('imports', () => importCases(newWorld));
    describe('ends of imports', () => importEndCases(newWorld));
    describe('timelines', () => timelineCases(newWorld));
    describe('changing locations', () => locationCases(newWorld));
    describe('storage quota', () => quotaCases(newWorld));
    describe('limits of a project', () => limitCases(newWorld));
    describe('sharing', () => memberCases(newWorld));
    describe('members of shared images', () => sharedImageCases(newWorld));
    describe('metadata definitions', () => metadefCases(newWorld));
    describe('reports of downloads', () => downloadCases(newWorld));
    describe('blobs of a store', () => blobCases(newWorld));
    describe('deleting', () => deletionCases(newWorld));
    describe('finishing and restoring', () => restoreCases(newWorld));
  });
}
