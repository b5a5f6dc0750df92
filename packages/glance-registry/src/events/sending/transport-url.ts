/** One broker of a transport URL. */
export interface RabbitHost {
  host: string;
  port: number;
  user: string;
  password: string;
}

export interface RabbitUrl {
  /** At least one: any of them will do. */
  hosts: RabbitHost[];
  virtualHost: string;
  /** `?ssl=1`; undefined when the URL does not say. */
  tls: boolean | undefined;
}

const DEFAULT_PORT = 5672;
const FORM = /^rabbit:\/\/([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/;
const HOST = /^(?:([^:@]*)(?::([^@]*))?@)?(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/;

/**
 * A transport URL of oslo.messaging: `rabbit://user:password@host:port,user:password@host/vhost`.
 * @throws Error that does not repeat the URL, which has a password.
 */
export function parseTransportUrl(url: string): RabbitUrl {
  const form = FORM.exec(url);
  if (!form) {
    throw new Error(
      'must be rabbit://USER:PASSWORD@HOST:PORT,…/VHOST: other brokers are not supported',
    );
  }
  const [, hosts = '', virtualHost = '', query = ''] = form;
  const ssl = new URLSearchParams(query).get('ssl');
  return {
    hosts: hosts.split(',').map(parseHost),
    virtualHost: decode(virtualHost) || '/',
    tls: ssl === null ? undefined : /^(?:1|true|yes|on)$/i.test(ssl),
  };
}

function parseHost(text: string, index: number): RabbitHost {
  const parts = HOST.exec(text);
  const port = Number(parts?.[4] ?? DEFAULT_PORT);
  if (!parts || port < 1 || port > 65_535) {
    throw new Error(`host ${index + 1} is not of the form USER:PASSWORD@HOST:PORT`);
  }
  const [, user = 'guest', password = 'guest', host = ''] = parts;
  return {
    host: host.replace(/^\[|\]$/g, ''),
    port,
    user: decode(user),
    password: decode(password),
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error('has a % that is not part of an escape such as %2F');
  }
}
