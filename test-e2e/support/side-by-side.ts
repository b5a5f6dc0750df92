import http from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import { callerHeaders } from './upstream-glance';

/** Who asks; every name but `anonymous` and `unscoped` is also a project, `reader` reads in alice's. */
export const CALLERS = {
  alice: callerHeaders('alice'),
  bob: callerHeaders('bob'),
  carol: callerHeaders('carol'),
  reader: callerHeaders('alice', 'reader'),
  admin: callerHeaders('ops', 'admin,member,reader'),
  unscoped: {
    'x-identity-status': 'Confirmed',
    'x-user-id': 'user of nothing',
    'x-roles': 'member,reader',
  },
  anonymous: {},
} as const satisfies Record<string, Record<string, string>>;

/** What of two answers is compared; a part that an answer has not is null. */
export interface Answer {
  status: number;
  type: string | null;
  allow: string | null;
  acceptPatch: string | null;
  /** Without scheme and host. */
  location: string | null;
  contentMd5: string | null;
  contentRange: string | null;
  importMethods: string | null;
  /** Whether there is a request id. */
  requestId: boolean;
  /** JSON as values, an error in its form only. */
  body: unknown;
}

/**
 * A difference that is meant, and why: what ours answers instead, by path, such as `status` or
 * `body.first`; undefined for what it has not.
 */
export interface Deviation {
  why: string;
  ours: Readonly<Record<string, unknown>>;
}

/** One request; `{name}` in path and body stands for the id that an earlier answer gave that name. */
export interface Step {
  by: keyof typeof CALLERS;
  method: string;
  path: string;
  headers: Record<string, string>;
  /** An object or array is sent as JSON, text and bytes as they are. */
  body?: unknown;
  /** Without Content-Length. */
  chunked?: boolean;
  /** The name of the `id` in the answer from here on; without one it is `new` in this answer. */
  saves?: string;
  deviation?: Deviation;
}

type StepOptions = Partial<Omit<Step, 'method' | 'path' | 'body'>>;

/** A request that both are to answer alike. */
export function request(
  method: string,
  path: string,
  body?: unknown,
  options: StepOptions = {},
): Step {
  return { by: 'alice', headers: {}, method, path, body, ...options };
}

/** Requests that ours answers in another way, on purpose. */
export function differently(why: string, ours: Deviation['ours'], ...steps: Step[]): Step[] {
  return steps.map((step) => ({ ...step, deviation: { why, ours } }));
}

/** One of the two services, with the ids that it gave away. */
export class Side {
  private readonly ids = new Map<string, string>();

  constructor(private readonly url: string) {}

  async answer(step: Step): Promise<Answer> {
    const received = await this.send(step);
    const id = step.method === 'POST' && received.status === 201 ? idIn(received.text) : undefined;
    if (id !== undefined && step.saves !== undefined) this.ids.set(step.saves, id);
    const named = (text: string): string =>
      this.withNames(id === undefined ? text : text.replaceAll(id, `{${step.saves ?? 'new'}}`));
    const { status, headers } = received;
    const header = (name: string): string | null => {
      const value = headers[name];
      return value === undefined ? null : named(String(value));
    };
    // Names of character sets have no case.
    const type = header('content-type')?.replace('charset=UTF-8', 'charset=utf-8') ?? null;
    return {
      status,
      // Nobody minds the type of nothing.
      type: received.text === '' ? null : type,
      allow: header('allow'),
      acceptPatch: header('accept-patch'),
      location: header('location'),
      contentMd5: header('content-md5'),
      // With 416 ours tells the size (RFC 9110 §15.5.17), upstream nothing.
      contentRange: status === 416 ? null : header('content-range'),
      importMethods: header('openstack-image-import-methods'),
      requestId: header('x-openstack-request-id') !== null,
      body: comparable(named(received.text), status, type ?? ''),
    };
  }

  private async send(
    step: Step,
  ): Promise<{ status: number; headers: http.IncomingHttpHeaders; text: string }> {
    const { hostname, port } = new URL(this.url);
    const body = bodyOf(step.body, (text) => this.withIds(text));
    return await new Promise((resolve, reject) => {
      const outgoing = http.request(
        {
          hostname,
          port,
          method: step.method,
          path: this.withIds(step.path),
          // A connection each: what a refusal leaves unread is nobody else's business.
          agent: false,
          headers: {
            ...CALLERS[step.by],
            ...framing(body, step),
            ...step.headers,
          },
        },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
          incoming.on('error', reject);
          incoming.on('end', () => {
            resolve({
              status: incoming.statusCode ?? 0,
              headers: incoming.headers,
              text: Buffer.concat(chunks).toString(),
            });
          });
        },
      );
      outgoing.on('error', (cause) => {
        reject(new Error(`${step.method} ${this.url}${step.path}: ${cause.message}`, { cause }));
      });
      outgoing.end(body);
    });
  }

  private withIds(text: string): string {
    return text.replace(/\{([\w-]+)\}/g, (whole, name: string) => this.ids.get(name) ?? whole);
  }

  private withNames(text: string): string {
    let named = text.replaceAll(this.url, '').replace(TIMES, '<time>');
    for (const [name, id] of this.ids) named = named.replaceAll(id, `{${name}}`);
    return named;
  }
}

/** Sends each request to both and tells, request by request, what differs without being meant. */
export async function compare(ours: Side, upstream: Side, steps: Step[]): Promise<string[]> {
  const findings: string[] = [];
  for (const step of steps) {
    const [mine, theirs] = await Promise.all([ours.answer(step), upstream.answer(step)]);
    const meant = new Map(Object.entries(step.deviation?.ours ?? {}));
    const lines: string[] = [];
    for (const { path, here, there } of differences(mine, theirs)) {
      if (meant.has(path) && isDeepStrictEqual(meant.get(path), here)) meant.delete(path);
      else lines.push(`${path}: upstream ${show(there)}, ours ${show(here)}`);
    }
    for (const [path, value] of meant) lines.push(`${path}: meant to differ as ${show(value)}`);
    if (lines.length === 0) continue;
    const sent = step.body === undefined ? '' : ` ${show(step.body)}`;
    const asked = `${step.by}: ${step.method} ${step.path} ${show(step.headers)}${sent}`;
    findings.push([asked, ...lines].join('\n   '));
  }
  return findings;
}

interface Difference {
  path: string;
  here: unknown;
  there: unknown;
}

function differences(mine: Answer, theirs: Answer): Difference[] {
  // The rest follows from it.
  if (mine.status !== theirs.status) {
    return [{ path: 'status', here: mine.status, there: theirs.status }];
  }
  // Ours has a request id in every answer, upstream not in those before its context is made.
  return leaves('', mine, { ...theirs, requestId: theirs.requestId || mine.requestId });
}

function leaves(path: string, here: unknown, there: unknown): Difference[] {
  if (isDeepStrictEqual(here, there)) return [];
  if (!isObject(here) || !isObject(there)) return [{ path, here, there }];
  const keys = new Set([...Object.keys(there), ...Object.keys(here)]);
  // What images are shown follows from whose turn it is.
  if (!isDeepStrictEqual(here['ids'], there['ids'])) keys.delete('images');
  return [...keys].flatMap((key) =>
    leaves(path === '' ? key : `${path}.${key}`, here[key], there[key]),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const TIMES = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g;

function show(value: unknown): string {
  return (value === undefined ? 'nothing' : JSON.stringify(value)).slice(0, 1000);
}

function bodyOf(body: unknown, withIds: (text: string) => string): Buffer | undefined {
  if (body === undefined || Buffer.isBuffer(body)) return body;
  return Buffer.from(withIds(typeof body === 'string' ? body : JSON.stringify(body)));
}

function framing(body: Buffer | undefined, { chunked }: Step): http.OutgoingHttpHeaders {
  if (body === undefined) return {};
  return chunked === true ? { 'transfer-encoding': 'chunked' } : { 'content-length': body.length };
}

function idIn(text: string): string {
  return (JSON.parse(text) as { id: string }).id;
}

function comparable(text: string, status: number, type: string): unknown {
  if (status >= 400) return errorForm(text);
  if (text === '' || !type.startsWith('application/json')) return text;
  const body: unknown = JSON.parse(text, (key, value: unknown) => {
    // The order of tags says nothing, and descriptions are words.
    if (key === 'tags' && Array.isArray(value)) return value.sort();
    return key === 'description' && typeof value === 'string' ? undefined : value;
  });
  if (!isObject(body)) return body;
  const { images, versions, ...rest } = body as { images?: Entry[]; versions?: Entry[] };
  return {
    ...rest,
    ...(Array.isArray(images) ? { images, ids: images.map(({ id }) => id) } : {}),
    ...(Array.isArray(versions)
      ? { versions: Object.fromEntries(versions.map((each) => [each.id, each])) }
      : {}),
  };
}

interface Entry {
  id: string;
}

/** An error without its words: the three forms of the sheet, 16.3. */
function errorForm(text: string): unknown {
  if (text === '') return '';
  if (text.startsWith('{')) {
    const { message, ...rest } = JSON.parse(text) as Record<string, unknown>;
    return { ...rest, message: typeof message };
  }
  const page =
    /^<html>\s+<head>\s+<title>(.*?)<\/title>\s+<\/head>\s+<body>\s+<h1>(.*?)<\/h1>\s+.*?<br \/><br \/>.*?<\/body>\s*<\/html>$/s.exec(
      text,
    );
  if (page !== null) return { html: [page[1], page[2]] };
  return { text: /^(.*)\n\n/.exec(text)?.[1] ?? text };
}
