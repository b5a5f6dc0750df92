import type { SchemaEditor } from '../schema/schema-editor';

/**
 * A step of the schema. `expand` only adds, so that an older release keeps working beside it;
 * `migrate` rewrites data; `contract` takes away what only the older release needed.
 */
export interface Migration {
  /** `YYYYMMDDHHMMSS-name`: the record in registry_migrations. Never changed after a release. */
  name: string;
  phase: MigrationPhase;
  /** Can be run again after it was interrupted. */
  up(editor: SchemaEditor): Promise<void>;
  down(editor: SchemaEditor): Promise<void>;
}

export const MIGRATION_PHASES = ['expand', 'migrate', 'contract'] as const;
export type MigrationPhase = (typeof MIGRATION_PHASES)[number];
