import {
  ADOPTABLE_HEADS,
  CONTRACT_HEAD,
  EXPAND_HEAD,
  readAlembicHeads,
  writeAlembicHeads,
} from '../schema/alembic';
import type { SchemaEditor, SchemaPiece } from '../schema/schema-editor';
import { readOrigin, writeOrigin, type SchemaOrigin } from '../schema/schema-origin';
import { UPSTREAM_TABLES } from '../schema/upstream-tables';
import type { Migration } from './migration';

/** Creates upstream's tables, or adds to those of an existing deployment what is missing. */
export const upstreamSchema: Migration = {
  name: '20261121000000-upstream-schema',
  phase: 'expand',

  async up(editor) {
    const origin = (await readOrigin(editor.connection)) ?? (await recordOrigin(editor));
    for (const table of UPSTREAM_TABLES) await editor.ensureTable(table);
    if (origin.heads.includes(CONTRACT_HEAD)) return;
    // As after upstream's own expand: the old contract head beside the new expand head.
    const contractHeads = origin.heads.filter((head) => head.includes('_contract'));
    await writeAlembicHeads(editor.connection, [...contractHeads, EXPAND_HEAD]);
  },

  async down(editor) {
    const origin = await readOrigin(editor.connection);
    // Indexes go with their columns only on MySQL, so they go first.
    const byKind = (piece: SchemaPiece): number => ('index' in piece ? 0 : 1);
    const pieces = [...(origin?.added ?? [])].reverse();
    for (const piece of pieces.sort((a, b) => byKind(a) - byKind(b))) await editor.drop(piece);
    if (origin && origin.heads.length > 0) {
      await writeAlembicHeads(editor.connection, origin.heads);
    } else {
      await editor.drop({ table: 'alembic_version' });
    }
    await editor.drop({ table: 'registry_schema' });
  },
};

async function recordOrigin(editor: SchemaEditor): Promise<SchemaOrigin> {
  const heads = await readAlembicHeads(editor.connection);
  const unknown = heads.filter((head) => !ADOPTABLE_HEADS.has(head));
  if (unknown.length > 0) {
    throw new Error(
      `The database is at the upstream revision ${unknown.join(', ')}, which cannot be adopted. ` +
        'Bring it to a release from Queens to 2024.1 with upstream glance-manage first.',
    );
  }
  if (heads.length === 0 && (await editor.hasTable('images'))) {
    throw new Error(
      'The database has an images table but no alembic_version. ' +
        'Bring it under migration control with ' +
        '"glance-manage db version_control --version REVISION" first.',
    );
  }
  const added: SchemaPiece[] = [];
  for (const table of UPSTREAM_TABLES) added.push(...(await editor.missingPieces(table)));
  const origin = { heads, added };
  await writeOrigin(editor.connection, editor.dialect, origin);
  return origin;
}
