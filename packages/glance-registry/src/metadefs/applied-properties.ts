import type { AppliedMetadefProperty, Identity } from '@glance/common';
import type { CallScope, TransactionRunner } from '../db/transaction';
import type { Repositories } from '../repositories';
import type { AppliedRow } from './item-repository';
import { toDefinition } from './metadef-rows';

/** What applies to resources of a type: the properties of namespaces, and those of their objects. */
export async function listAppliedProperties(
  transactions: TransactionRunner<Repositories>,
  resourceType: string,
  identity: Identity,
  scope: CallScope,
): Promise<AppliedMetadefProperty[]> {
  return await transactions.read(scope, async ({ metadefItems }) => {
    const properties = await metadefItems.listApplied('properties', resourceType, identity);
    const objects = await metadefItems.listApplied('objects', resourceType, identity);
    const applied = [
      ...properties.map((row) => appliedAs(row, row.name, toDefinition(row.json_schema))),
      ...objects.flatMap((row) =>
        Object.entries(toDefinition(row.json_schema)).map(([name, definition]) =>
          appliedAs(row, name, definition),
        ),
      ),
    ];
    return applied.sort((a, b) => inOrder(a.namespace, b.namespace) || inOrder(a.name, b.name));
  });
}

function appliedAs(
  { namespace, prefix }: AppliedRow,
  name: string,
  definition: unknown,
): AppliedMetadefProperty {
  const isObject =
    typeof definition === 'object' && definition !== null && !Array.isArray(definition);
  const schema = isObject ? (definition as AppliedMetadefProperty['schema']) : {};
  return { namespace, name: `${prefix ?? ''}${name}`, schema };
}

function inOrder(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
