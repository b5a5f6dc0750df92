/** Numbers of BIGINT and SUM columns arrive as text when they do not fit a double exactly. */
export function toNumber(value: number | string): number {
  return typeof value === 'number' ? value : Number(value);
}

export function toNumberOrNull(value: number | string | null): number | null {
  return value === null ? null : toNumber(value);
}

/** `YYYY-MM-DD HH:MM:SS` of a DATETIME column to `YYYY-MM-DDTHH:MM:SS`; a fraction is dropped. */
export function toWireTime(value: string): string {
  return value.slice(0, 19).replace(' ', 'T');
}

export function fromWireTime(value: string): string {
  return value.replace('T', ' ');
}

/** JSON for TEXT columns of 3-byte tables: everything outside ASCII escaped, as upstream writes it. */
export function toAsciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
