import type { IncomingMessage, ServerResponse } from 'node:http';
import { PUBLIC_OPERATIONS } from '../openapi/openapi-document';
import { statusesOf, type Method, type Operation } from '../openapi/operation';

const OPERATIONS = Object.entries(PUBLIC_OPERATIONS).map(([path, methods]) => ({
  path,
  pattern: new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`),
  methods,
}));

/** Holds every answer of the api under test to the statuses that its OpenAPI document names. */
export class DocumentedAnswers {
  private readonly undocumented = new Set<string>();

  watch(req: IncomingMessage, res: ServerResponse): void {
    const found = operationOf(req);
    if (!found) return;
    res.on('finish', () => {
      // The version is switched off: no operation was asked.
      if (res.statusCode === 300) return;
      if (!statusesOf(found.operation).includes(res.statusCode)) {
        this.undocumented.add(`${req.method ?? ''} ${found.path}: ${res.statusCode}`);
      }
    });
  }

  /** @throws Error that names what was answered and is in no document. */
  check(): void {
    if (this.undocumented.size === 0) return;
    throw new Error(
      `Answers that the OpenAPI document does not name:\n${[...this.undocumented].join('\n')}`,
    );
  }
}

function operationOf(req: IncomingMessage): { path: string; operation: Operation } | undefined {
  const [target = ''] = (req.url ?? '').split('?');
  const path = target.replace(/^\/+v([12])(\.\d+)?\//, '/v$1/');
  // Literal paths come before those with names in their place.
  const found = OPERATIONS.filter(({ pattern }) => pattern.test(path)).sort(
    (a, b) => a.path.split('{').length - b.path.split('{').length,
  )[0];
  const operation = found?.methods[req.method?.toLowerCase() as Method];
  return found && operation ? { path: found.path, operation } : undefined;
}
