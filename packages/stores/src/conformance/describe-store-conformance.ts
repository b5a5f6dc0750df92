import { afterEach, beforeEach, describe } from '@jest/globals';
import { describeAdding } from './add-cases';
import { Bench } from './bench';
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
    if (harness.capabilities.add) describeAdding(bench, timeoutMs);
    if (harness.capabilities.delete) describeDeleting(bench);
    if (harness.capabilities.list) describeListing(bench);
    describeReading(bench);
    describeErrors(bench);
  });
}
