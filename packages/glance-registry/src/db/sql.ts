import type { Knex } from 'knex';

/** What may be bound to a statement: scalars only, so that no value ever becomes SQL. */
export type SqlValue = string | number | null;

/** A piece of SQL text with its bound values. Made by {@link sql}, {@link sqlText} and `join*`. */
export class Sql {
  constructor(
    readonly text: string,
    readonly values: readonly SqlValue[],
  ) {}
}

/** SQL with placeholders: fragments are spliced in, everything else is bound. */
export function sql(strings: TemplateStringsArray, ...parts: readonly (Sql | SqlValue)[]): Sql {
  let text = strings[0] ?? '';
  const values: SqlValue[] = [];
  parts.forEach((part, index) => {
    if (part instanceof Sql) {
      text += part.text;
      values.push(...part.values);
    } else {
      text += '?';
      values.push(part);
    }
    text += strings[index + 1] ?? '';
  });
  return new Sql(text, values);
}

/** SQL text taken as it is: for constants of this program, never for what came from outside. */
export function sqlText(text: string): Sql {
  return new Sql(text, []);
}

export const FALSE = sqlText('1 = 0');

export function joinSql(parts: readonly Sql[], separator: string): Sql {
  return new Sql(
    parts.map((part) => part.text).join(separator),
    parts.flatMap((part) => part.values),
  );
}

/** All of them; true when there is none. */
export function allOf(conditions: readonly Sql[]): Sql {
  return conditions.length === 0 ? sqlText('1 = 1') : joinSql(conditions, ' AND ');
}

/** Any of them; false when there is none. */
export function anyOf(conditions: readonly Sql[]): Sql {
  return conditions.length === 0 ? FALSE : sql`(${joinSql(conditions, ' OR ')})`;
}

/**
 * Whether a query that refers to the row at hand gives any: looked up row by row. Of an EXISTS
 * MariaDB and MySQL make a join, and may read all that the query could give for any row first.
 */
export function givesAny(query: Sql): Sql {
  return sql`(${query} LIMIT 1) IS NOT NULL`;
}

/** `column IN (…)`; false for an empty list. */
export function isOneOf(column: Sql, values: readonly SqlValue[]): Sql {
  const [first] = values;
  if (first === undefined) return FALSE;
  if (values.length === 1) return sql`${column} = ${first}`;
  const places = Array.from(values, () => '?').join(', ');
  return new Sql(`${column.text} IN (${places})`, [...column.values, ...values]);
}

export async function selectRows<Row>(connection: Knex, query: Sql): Promise<Row[]> {
  const result: unknown = await connection.raw(query.text, query.values);
  // mysql2 answers [rows, fields], SQLite the rows.
  return (connection.client as Knex.Client).dialect === 'mysql'
    ? (result as [Row[]])[0]
    : (result as Row[]);
}

export async function selectRow<Row>(connection: Knex, query: Sql): Promise<Row | undefined> {
  return (await selectRows<Row>(connection, query))[0];
}

/** @returns the rows matched, changed or not. */
export async function executeSql(connection: Knex, statement: Sql): Promise<number> {
  const result: unknown = await connection.raw(statement.text, statement.values);
  return (connection.client as Knex.Client).dialect === 'mysql'
    ? (result as [{ affectedRows: number }])[0].affectedRows
    : (result as { changes: number }).changes;
}
