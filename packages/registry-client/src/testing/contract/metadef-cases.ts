import { describe } from '@jest/globals';
import type { NewWorld } from './contract-world';
import { metadefItemCases } from './metadef-item-cases';
import { metadefListCases } from './metadef-list-cases';
import { metadefNamespaceCases } from './metadef-namespace-cases';
import { metadefRightsCases } from './metadef-rights-cases';

/** The catalogue of metadata definitions. */
export function metadefCases(newWorld: NewWorld): void {
  describe('namespaces', () => metadefNamespaceCases(newWorld));
  describe('who sees and changes them', () => metadefRightsCases(newWorld));
  describe('what they hold', () => metadefItemCases(newWorld));
  describe('lists', () => metadefListCases(newWorld));
}
