import { readFileSync } from 'node:fs';

/** An account of Swift and how to log in to it: a section of the references file, or the options. */
export interface SwiftReference {
  /** With scheme, without a slash at its end. */
  authAddress: string;
  /** `project:user`; the id where there is an application credential. */
  user: string;
  key: string;
  /** The user and key are those of an application credential. */
  isApplicationCredential: boolean;
  userDomain: DomainName;
  projectDomain: DomainName;
}

export type DomainName = { id: string } | { name: string };

/** What a reference is made of, as operators write it. */
export type ReferenceFields = Readonly<Partial<Record<(typeof FIELDS)[number], string>>>;

const FIELDS = [
  'auth_address',
  'user',
  'key',
  'application_credential_id',
  'application_credential_secret',
  'project_domain_id',
  'project_domain_name',
  'user_domain_id',
  'user_domain_name',
] as const;

/**
 * The sections of `swift_store_config_file` (stores sheet §6). One with a mistake is left out and
 * told of, so that a mistake in one account does not take the images of the others away.
 * @throws when the file cannot be read.
 */
export function readReferences(
  file: string,
  warn: (message: string) => void,
): Map<string, SwiftReference> {
  const references = new Map<string, SwiftReference>();
  for (const [name, lines] of sectionsOf(readFileSync(file, 'utf8'))) {
    try {
      references.set(name, toReference(fieldsOf(lines)));
    } catch (error) {
      warn(`${file}: section ${name} is left out: ${(error as Error).message}`);
    }
  }
  return references;
}

/** @throws naming what is missing or wrong, without the values. */
export function toReference(fields: ReferenceFields): SwiftReference {
  const { application_credential_id: id = '', application_credential_secret: secret = '' } = fields;
  const isApplicationCredential = id !== '' || secret !== '';
  const [user, key] = isApplicationCredential
    ? [id, secret]
    : [fields.user ?? '', fields.key ?? ''];
  if (user === '' || key === '') {
    throw new Error(
      'needs user and key, or application_credential_id and application_credential_secret',
    );
  }
  return {
    authAddress: toAuthAddress(fields.auth_address ?? ''),
    user,
    key,
    isApplicationCredential,
    userDomain: domainOf(fields.user_domain_id, fields.user_domain_name),
    projectDomain: domainOf(fields.project_domain_id, fields.project_domain_name),
  };
}

function toAuthAddress(address: string): string {
  if (address === '') throw new Error('needs auth_address');
  const text = address.includes('://') ? address : `https://${address}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw new Error('auth_address must be a host or a URL with http or https');
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new Error('auth_address must have no credentials, query or fragment');
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

function domainOf(id: string | undefined, name: string | undefined): DomainName {
  if (id !== undefined && id !== '') return { id };
  return name !== undefined && name !== '' ? { name } : { id: 'default' };
}

function sectionsOf(text: string): Map<string, string[]> {
  const sections = new Map<string, string[]>();
  let lines: string[] | undefined;
  for (const line of text.split(/\r?\n/)) {
    const trimmed = line.trim();
    if (trimmed === '' || /^[#;]/.test(trimmed)) continue;
    const name = /^\[(.+)\]$/.exec(trimmed)?.[1]?.trim();
    if (name === undefined) {
      lines?.push(trimmed);
    } else {
      lines = sections.get(name) ?? [];
      sections.set(name, lines);
    }
  }
  return sections;
}

function fieldsOf(lines: readonly string[]): ReferenceFields {
  const fields: Record<string, string> = {};
  for (const line of lines) {
    const [, name = '', value = ''] = /^([^=:\s]+)\s*[=:]\s*(.*)$/.exec(line) ?? [];
    if ((FIELDS as readonly string[]).includes(name)) fields[name] = unquoted(name, value);
  }
  return fields;
}

function unquoted(name: string, value: string): string {
  const quote = /^["']/.exec(value)?.[0];
  if (quote === undefined) return value;
  if (value.length < 2 || !value.endsWith(quote)) {
    throw new Error(`${name} has a quote that is not closed`);
  }
  return value.slice(1, -1);
}
