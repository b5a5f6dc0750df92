/** The column types of the schema sheet; each dialect spells them its own way. */
export type ColumnType =
  | { kind: 'varchar'; length: number }
  | { kind: 'text' | 'mediumtext' | 'int' | 'bigint' | 'boolean' | 'datetime' }
  | { kind: 'enum'; values: readonly string[] };

export interface ColumnDefinition {
  name: string;
  type: ColumnType;
  nullable: boolean;
  /** Server default; none when absent. */
  default?: string | number;
  autoIncrement?: boolean;
  /** Compared by code points on every database. */
  binary?: boolean;
}

export interface IndexDefinition {
  name: string;
  /** `column`, or `column(n)`: an index over its first n characters (MySQL; SQLite takes it whole). */
  columns: readonly string[];
  unique?: boolean;
}

export interface TableDefinition {
  name: string;
  columns: readonly ColumnDefinition[];
  primaryKey: readonly string[];
  indexes?: readonly IndexDefinition[];
  /** Column → table, always its first primary key column; no action on delete or update. */
  references?: Readonly<Record<string, { table: string; column: string }>>;
}

export function varchar(
  name: string,
  length: number,
  options: Partial<ColumnDefinition> = {},
): ColumnDefinition {
  return { name, type: { kind: 'varchar', length }, nullable: false, ...options };
}

export function column(
  name: string,
  kind: 'text' | 'mediumtext' | 'int' | 'bigint' | 'boolean' | 'datetime',
  options: Partial<ColumnDefinition> = {},
): ColumnDefinition {
  return { name, type: { kind }, nullable: false, ...options };
}

export const NULLABLE = { nullable: true } as const;

export function autoIncrement(name: string, kind: 'int' | 'bigint' = 'int'): ColumnDefinition {
  return column(name, kind, { autoIncrement: true });
}

export function index(name: string, ...columns: string[]): IndexDefinition {
  return { name, columns };
}

export function unique(name: string, ...columns: string[]): IndexDefinition {
  return { name, columns, unique: true };
}
