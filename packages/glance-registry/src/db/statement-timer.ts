import type { Knex } from 'knex';

export type StatementKind = 'select' | 'insert' | 'update' | 'delete' | 'commit' | 'other';

export interface TimedStatement {
  kind: StatementKind;
  seconds: number;
  failed: boolean;
}

/** What knex tells of a statement; one without id, such as BEGIN, is never told to have ended. */
interface KnexQuery {
  __knexQueryUid?: string;
  sql?: string;
}

const KINDS: ReadonlySet<string> = new Set(['select', 'insert', 'update', 'delete']);

/** Times the statements of a database, those in transactions too. */
export class StatementTimer {
  private readonly begun = new Map<string, number>();

  constructor(
    knex: Knex,
    private readonly tell: (statement: TimedStatement) => void,
  ) {
    knex.on('query', ({ __knexQueryUid: id }: KnexQuery) => {
      if (id !== undefined) this.begun.set(id, performance.now());
    });
    knex.on('query-response', (_rows: unknown, query: KnexQuery) => this.end(query, false));
    knex.on('query-error', (_error: unknown, query: KnexQuery) => this.end(query, true));
  }

  /** Of which knex tells nothing. */
  async commit<T>(work: () => Promise<T>, failed: (outcome: T) => boolean): Promise<T> {
    const started = performance.now();
    const outcome = await work();
    const seconds = (performance.now() - started) / 1000;
    this.tell({ kind: 'commit', seconds, failed: failed(outcome) });
    return outcome;
  }

  private end({ __knexQueryUid: id, sql = '' }: KnexQuery, failed: boolean): void {
    const started = id === undefined ? undefined : this.begun.get(id);
    if (id === undefined || started === undefined) return;
    this.begun.delete(id);
    this.tell({ kind: kindOf(sql), seconds: (performance.now() - started) / 1000, failed });
  }
}

function kindOf(statement: string): StatementKind {
  const word = /^[\s(]*([a-z]+)/i.exec(statement)?.[1]?.toLowerCase() ?? '';
  return KINDS.has(word) ? (word as StatementKind) : 'other';
}
