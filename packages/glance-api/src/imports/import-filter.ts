import { isIP } from 'node:net';
import { type ImportMethod, invalidRequest, redactUri } from '@glance/common';
import { parseSourceUrl } from '@glance/stores';

export interface ImportFilterOptions {
  allowed_schemes: readonly string[];
  disallowed_schemes: readonly string[];
  allowed_hosts: readonly string[];
  disallowed_hosts: readonly string[];
  allowed_ports: readonly string[];
  disallowed_ports: readonly string[];
}

/** A list of what is allowed is used alone, otherwise one of what is not. */
interface Rule {
  allowed: ReadonlySet<string>;
  disallowed: ReadonlySet<string>;
}

/**
 * Which URLs may be imported (`[import_filtering_opts]`, tasks sheet §8). It looks at what is
 * written; where that leads, the outbound filter decides.
 */
export class ImportFilter {
  /** Ports that the outbound filter has to let pass; `any` where this filter alone decides. */
  readonly ports: readonly number[] | 'any';
  private readonly schemes: Rule;
  private readonly hosts: Rule;
  private readonly portRule: Rule;

  constructor(options: ImportFilterOptions) {
    this.schemes = ruleOf(options.allowed_schemes, options.disallowed_schemes);
    this.hosts = ruleOf(options.allowed_hosts, options.disallowed_hosts);
    this.portRule = ruleOf(options.allowed_ports, options.disallowed_ports);
    const { allowed_ports: ports } = options;
    this.ports = ports.length === 0 ? 'any' : ports.map(Number).filter(Number.isInteger);
  }

  /**
   * @returns the URL in the form in which it is read.
   * @throws DomainError `invalid_request`; credentials do not show in its text.
   */
  check(uri: string, method: ImportMethod | 'import' = 'web-download'): string {
    const source = parseSourceUrl(uri);
    if (!source || !this.permits(source.url)) {
      const shown = redactUri(uri).slice(0, 300);
      throw invalidRequest(`URI for ${method} does not pass filtering: ${shown}`);
    }
    return source.href;
  }

  permits(url: URL): boolean {
    const host = url.hostname.toLowerCase();
    // What looks like a number and is no address may lead anywhere.
    if (/^[\d.]+$/.test(host) && isIP(host) === 0) return false;
    return (
      isAllowed(this.schemes, url.protocol.replace(/:$/, '')) &&
      isAllowed(this.hosts, host.replace(/^\[|\]$/g, '')) &&
      (url.port === '' || isAllowed(this.portRule, url.port))
    );
  }
}

function ruleOf(allowed: readonly string[], disallowed: readonly string[]): Rule {
  const lower = (items: readonly string[]) => new Set(items.map((item) => item.toLowerCase()));
  return { allowed: lower(allowed), disallowed: lower(disallowed) };
}

function isAllowed({ allowed, disallowed }: Rule, value: string): boolean {
  return allowed.size > 0 ? allowed.has(value) : !disallowed.has(value);
}
