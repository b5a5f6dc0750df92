import type { Request, RequestHandler, Response } from 'express';

/** [cors], as oslo.middleware has it. */
export interface CorsOptions {
  /** `*` for every origin. */
  readonly allowed_origin: readonly string[];
  readonly allow_credentials: boolean;
  readonly expose_headers: readonly string[];
  /** Seconds that a browser remembers the answer to a preflight; 0: as it likes. */
  readonly max_age: number;
  readonly allow_methods: readonly string[];
  readonly allow_headers: readonly string[];
}

/** oslo.middleware lets these pass whatever is configured. */
const SIMPLE_HEADERS = [
  'accept',
  'accept-language',
  'cache-control',
  'content-language',
  'content-type',
  'expires',
  'last-modified',
  'origin',
  'pragma',
];

/** @throws Error for options under which any web page could act as whoever visits it. */
export function checkCors({ allowed_origin: origins, allow_credentials }: CorsOptions): void {
  if (origins.includes('*') && allow_credentials) {
    throw new Error(
      '[cors] allowed_origin = * with allow_credentials would let every web page use the logins of its visitors: name the origins, or set allow_credentials = false',
    );
  }
  for (const origin of origins) {
    if (origin === '*' || (URL.canParse(origin) && new URL(origin).origin === origin)) continue;
    throw new Error(
      `[cors] allowed_origin = ${origin}: must be * or a scheme and host such as https://horizon.example, without a path`,
    );
  }
}

/**
 * Lets pages of the allowed origins use the API (api-v2 sheet 16.4). Nothing is refused here: what
 * is not allowed gets no headers, and the browser keeps the answer from the page. The answer to a
 * preflight ends elsewhere, as that to every OPTIONS.
 */
export function cors(options: CorsOptions): RequestHandler {
  const { allowed_origin: origins } = options;
  const methods = options.allow_methods.map((method) => method.toUpperCase());
  const headers = new Set([...SIMPLE_HEADERS, ...options.allow_headers.map(lowerCase)]);

  function allowOrigin(req: Request, res: Response): boolean {
    const origin = req.get('origin');
    if (origin === undefined) return false;
    const isAny = origins.includes('*');
    if (!isAny && !origins.includes(origin)) return false;
    res.set('Access-Control-Allow-Origin', isAny ? '*' : origin);
    if (options.allow_credentials) res.set('Access-Control-Allow-Credentials', 'true');
    return true;
  }

  function answerPreflight(req: Request, res: Response): void {
    const method = req.get('access-control-request-method');
    if (method === undefined || !methods.includes(method)) return;
    const wanted = (req.get('access-control-request-headers') ?? '')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '');
    if (!wanted.every((name) => headers.has(lowerCase(name)))) return;
    if (!allowOrigin(req, res)) return;
    if (options.max_age > 0) res.set('Access-Control-Max-Age', String(options.max_age));
    res.set('Access-Control-Allow-Methods', method);
    if (wanted.length > 0) res.set('Access-Control-Allow-Headers', wanted.join(','));
  }

  return (req, res, next) => {
    if (origins.length > 0) {
      // Of every answer: one without an origin must not be taken for one with it.
      res.vary('Origin');
      if (req.method === 'OPTIONS') answerPreflight(req, res);
      else if (allowOrigin(req, res) && options.expose_headers.length > 0) {
        res.set('Access-Control-Expose-Headers', options.expose_headers.join(','));
      }
    }
    next();
  };
}

function lowerCase(name: string): string {
  return name.toLowerCase();
}
