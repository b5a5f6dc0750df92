import type { Random } from './random';

/** Values that parsers, databases and file systems stumble over. */
const NASTY = [
  '',
  ' ',
  '\0',
  '%',
  '%00',
  '%FF',
  '%2F..%2F..',
  '../../etc/passwd',
  'é☃'.normalize('NFD'),
  '😀',
  '\u202e',
  '\ud800',
  '"',
  '\\',
  "' OR 1=1 --",
  '%(project_id)s',
  '-1',
  '1e309',
  'NaN',
  '0x10',
  '9'.repeat(40),
  '2147483648',
  '9223372036854775808',
  'None',
  'null',
  'true',
  '__proto__',
  'constructor',
  'os_glance_x',
  'in:',
  'in:"a',
  'gt:',
  'neq:x',
  '[]',
  '{}',
  'a'.repeat(256),
  'b'.repeat(5000),
  ','.repeat(400),
  '2024-13-45T99:99:99Z',
  '0000-00-00',
  '=?utf-8?q?x?=',
];

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'BREW'];
const WORDS = [
  ...['v1', 'v2', 'v2.0', 'v9', 'images', 'detail', 'members', 'file', 'stage', 'tags', 'tasks'],
  ...['actions', 'deactivate', 'reactivate', 'locations', 'schemas', 'image', 'info', 'usage'],
  ...['stores', 'cache', 'nodes', 'shared-images', 'metadefs', 'import', 'versions', 'healthcheck'],
];
const FILTERS = [
  ...['limit', 'marker', 'sort', 'sort_key', 'sort_dir', 'member_status', 'tag', 'visibility'],
  ...['name', 'id', 'status', 'size', 'size_min', 'size_max', 'min_ram', 'min_disk', 'created_at'],
  ...['updated_at', 'os_hidden', 'protected', 'owner', 'checksum', 'disk_format', 'is_public'],
  ...['changes-since', 'property-x', 'x', 'deleted', 'os_hash_value', 'virtual_size_max'],
];
const META = [
  ...['name', 'id', 'size', 'disk_format', 'container_format', 'min_ram', 'min_disk', 'status'],
  ...['is_public', 'protected', 'owner', 'checksum', 'location', 'store', 'created_at', 'deleted'],
  ...['virtual_size', 'property-x', 'property-', 'property-__proto__', 'nothing', 'copy_from'],
];
const FIELDS = [
  ...['name', 'id', 'visibility', 'tags', 'min_ram', 'min_disk', 'disk_format', 'container_format'],
  ...['protected', 'os_hidden', 'owner', 'status', 'locations', 'x', 'os_glance_x', '__proto__'],
  ...['member', 'url', 'validation_data', 'size', 'created_at', 'self', 'checksum'],
];
/** What passes, so that what is hostile beside it gets further than to the first check. */
const FAIR_FILTERS = {
  limit: '3',
  sort_key: 'name',
  sort_dir: 'asc',
  name: 'x',
  status: 'active',
  size_min: '1',
  min_ram: '0',
  disk_format: 'raw',
};
const FAIR_META = {
  name: 'x',
  disk_format: 'raw',
  container_format: 'bare',
  min_ram: '1',
  min_disk: '1',
  is_public: 'False',
  protected: 'False',
  'property-x': 'y',
};
const FAIR_FIELDS = {
  name: 'x',
  visibility: 'shared',
  tags: ['a', 'b'],
  min_ram: 1,
  protected: false,
  os_hidden: false,
  x: 'y',
};

const FAIR = ['x', 'raw', 'bare', 'private', 'shared', 'accepted', '0', '7', 'asc', 'name', 'True'];
const PATCH_TYPES = [
  'application/openstack-images-v2.1-json-patch',
  'application/openstack-images-v2.0-json-patch',
  'application/json',
  'application/openstack-images-v2.1-json-patch; charset=x',
];

/** Requests as bytes that no client would send, and some that one might. */
export class HostileRequests {
  /** How much of the request in hand is not what it should be, up to 1. */
  private hostility = 1;

  constructor(
    private readonly random: Random,
    private readonly token: string,
  ) {}

  /** @param ids images that are there, to be named now and then. */
  next(ids: readonly string[]): Buffer {
    const { random } = this;
    this.hostility = random.pick([0.05, 0.3, 1]);
    const kinds = [
      () => this.path(ids),
      () => this.query(),
      () => this.meta(ids),
      () => this.patch(ids),
      () => this.json(ids),
    ];
    const bytes = Buffer.from(random.pick(kinds)(), 'utf8');
    return random.chance(0.15 * this.hostility) ? this.damaged(bytes) : bytes;
  }

  private path(ids: readonly string[]): string {
    const { random } = this;
    const segments = Array.from({ length: random.integer(0, 6) }, () =>
      random.chance(0.25)
        ? random.pick(ids)
        : random.chance(0.8)
          ? random.pick(WORDS)
          : this.escaped(this.value()),
    );
    const version = random.chance(0.8) ? `/${random.pick(['v1', 'v2'])}/images` : '';
    return this.request(random.pick(METHODS), [version, ...segments].join('/'), {}, '');
  }

  private query(): string {
    const { random } = this;
    const pairs = Array.from({ length: random.integer(1, 5) }, () => {
      const [fairName, fairValue] = random.pick(Object.entries(FAIR_FILTERS));
      if (!this.isHostile()) return `${fairName}=${fairValue}`;
      const name = random.chance(0.9) ? random.pick(FILTERS) : this.escaped(this.value());
      return `${name}${random.chance(0.9) ? '=' : ''}${this.escaped(this.value())}`;
    });
    const list = random.pick(['/v1/images', '/v1/images/detail', '/v2/images']);
    return this.request('GET', `${list}?${pairs.join('&')}`, {}, '');
  }

  private meta(ids: readonly string[]): string {
    const { random } = this;
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(FAIR_META)) {
      if (random.chance(0.7)) headers[`x-image-meta-${name}`] = value;
    }
    for (let count = random.integer(1, 6); count > 0; count -= 1) {
      if (this.isHostile()) headers[`x-image-meta-${random.pick(META)}`] = oneLine(this.value());
    }
    if (!this.isHostile()) headers['content-type'] = 'application/octet-stream';
    const isUpdate = random.chance(0.5);
    const path = isUpdate ? `/v1/images/${random.pick(ids)}` : '/v1/images';
    const body = random.chance(0.4) ? 'd'.repeat(random.integer(1, 3000)) : '';
    return this.request(isUpdate ? 'PUT' : 'POST', path, headers, body);
  }

  private patch(ids: readonly string[]): string {
    const { random } = this;
    const operations = Array.from({ length: random.integer(0, 4) }, () => {
      const [name, value] = random.pick(Object.entries(FAIR_FIELDS));
      if (!this.isHostile())
        return { op: random.pick(['add', 'replace']), path: `/${name}`, value };
      const pointer = `/${random.pick(FIELDS)}${random.chance(0.2) ? `/${this.value()}` : ''}`;
      const path = random.chance(0.9) ? pointer : this.value();
      const op = random.pick(['add', 'replace', 'remove', 'move', 'test', this.value()]);
      return random.chance(0.2)
        ? { [op]: path, value: this.document(2) }
        : { op, path, value: this.document(2), ...(random.chance(0.1) ? { from: path } : {}) };
    });
    const text = this.text(this.isHostile() ? this.document(3) : operations);
    const type = this.isHostile() ? random.pick(PATCH_TYPES) : PATCH_TYPES[0]!;
    return this.request('PATCH', `/v2/images/${random.pick(ids)}`, { 'content-type': type }, text);
  }

  private json(ids: readonly string[]): string {
    const { random } = this;
    const image = `/v2/images/${random.pick(ids)}`;
    const [method, path] = random.pick([
      ['POST', '/v2/images'],
      ['POST', '/v2/images'],
      ['POST', `${image}/members`],
      ['PUT', `${image}/members/project-b`],
      ['POST', `${image}/locations`],
      ['PUT', `/v1/images/${random.pick(ids)}/members`],
      ['PUT', `/v1/images/${random.pick(ids)}/members/project-b`],
    ] as const);
    const fair: [string, unknown][] = path.includes('/members')
      ? [
          ['member', 'project-b'],
          ['status', 'accepted'],
        ]
      : Object.entries(FAIR_FIELDS);
    const fields = fair.map(([name, value]): [string, unknown] =>
      this.isHostile() ? [random.pick(FIELDS), this.document(2)] : [name, value],
    );
    const body = this.isHostile() ? this.document(3) : Object.fromEntries(fields);
    return this.request(method, path, { 'content-type': 'application/json' }, this.text(body));
  }

  private isHostile(): boolean {
    return this.random.chance(this.hostility);
  }

  private value(): string {
    const { random } = this;
    if (random.chance(0.4)) return random.pick(FAIR);
    return random.chance(0.8) ? random.pick(NASTY) : random.pick(NASTY) + random.pick(NASTY);
  }

  private document(depth: number): unknown {
    const { random } = this;
    const make = [
      () => this.value(),
      () => random.integer(-5, 2 ** 40),
      () => random.pick([null, true, false, 1.5, -0, 1e300]),
      () => Array.from({ length: random.integer(0, 3) }, () => this.document(depth - 1)),
      () => ({ [random.pick(FIELDS)]: this.document(depth - 1) }),
    ];
    return random.pick(depth > 0 ? make : make.slice(0, 3))();
  }

  /** JSON, now and then too deep, with a key twice, or not whole. */
  private text(value: unknown): string {
    const { random } = this;
    const json = JSON.stringify(value);
    if (!this.isHostile() || random.chance(0.7)) return json;
    return random.pick([
      () => '['.repeat(random.integer(20, 20_000)),
      () => `{"a":1,"a":${json}}`,
      () => json.slice(0, random.integer(0, json.length)),
      () => `${json}${json}`,
      () => `\ufeff${json}`,
    ])();
  }

  private escaped(text: string): string {
    if (this.random.chance(0.1)) return oneLine(text).replaceAll(' ', '+');
    return encodeURIComponent(Buffer.from(text).toString()).replaceAll('%25', '%');
  }

  private request(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    body: string,
  ): string {
    const { random } = this;
    const lines = [`${method} ${path} HTTP/1.1`, 'Host: h', 'Connection: close'];
    if (!this.isHostile() || random.chance(0.95)) lines.push(`X-Auth-Token: ${this.token}`);
    for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
    if (this.isHostile() && random.chance(0.1))
      lines.push(`${random.pick(META)}: ${oneLine(this.value())}`);
    const length = Buffer.byteLength(body);
    if (body !== '' && random.chance(0.1)) {
      const chunk = `${length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
      return `${[...lines, 'Transfer-Encoding: chunked'].join('\r\n')}\r\n\r\n${chunk}`;
    }
    const announced =
      this.isHostile() && random.chance(0.1) ? length + random.integer(-3, 3) : length;
    if (body !== '' || random.chance(0.1)) lines.push(`Content-Length: ${announced}`);
    return `${lines.join('\r\n')}\r\n\r\n${body}`;
  }

  /** Bytes changed, left out or doubled anywhere. */
  private damaged(bytes: Buffer): Buffer {
    const { random } = this;
    const at = random.integer(0, bytes.length - 1);
    const end = Math.min(bytes.length, at + random.integer(1, 20));
    const before = bytes.subarray(0, at);
    return random.pick([
      () => Buffer.concat([before, Buffer.from([random.integer(0, 255)]), bytes.subarray(at + 1)]),
      () => Buffer.concat([before, bytes.subarray(end)]),
      () => Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]),
      () => before,
    ])();
  }
}

function oneLine(text: string): string {
  return text.replace(/[\r\n]/g, ' ');
}
