import { afterEach, beforeEach, describe } from '@jest/globals';
import { describeAdding } from './add-cases';
import { Bench } from './bench';
import { describeCopying } from './copy-cases';
import { describeDeleting } from './delete-cases';
import { describeErrors } from './error-cases';
import { describeReading } from './get-cases';
import { describeListing } from './list-cases';
import type { StoreHarness } from './harness';

const DEFAULT_TIMEOUT_MS = 60_000;

/**
 * The promises of `StoreDriver`, as tests: a driver keeps the contract when they pass. Each test
 * gets a store of its own and fails when anything is left behind in it.
 */
export function describeStoreConformance(name: string, harness: StoreHarness): void {
  const timeoutMs = harness.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  describe(`store conformance: ${name}`, () => {
    const bench = new Bench(harness);
    beforeEach(() => bench.setUp(), timeoutMs);
    afterEach(() => bench.tearDown(), timeoutMs);
    const { capabilities, areas = ['add', 'delete', 'list', 'get', 'errors'] } = harness;
    if (capabilities.add && areas.includes('add')) describeAdding(bench, timeoutMs);
    if (capabilities.add && areas.includes('add')) describeCopying(bench);
    if (capabilities.delete && areas.includes('delete')) describeDeleting(bench);
    if (capabilities.list && areas.includes('list')) describeListing(bench);
    if (areas.includes('get')) describeReading(bench);
    if (areas.includes('errors')) describeErrors(bench);
  });
}
