/** Seconds of a wire time, `YYYY-MM-DDTHH:MM:SS`, UTC without a zone. */
export type WireTime = string;

export function toWireTime(date: Date): WireTime {
  return date.toISOString().slice(0, 19);
}

const ISO_8601 =
  /^(\d{4})-?(\d{2})-?(\d{2})(?:[T ](\d{2}):?(\d{2})(?::?(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(Z|[+-]\d{2}(?::?\d{2})?)?$/;

/**
 * An ISO 8601 date, or date and time with an optional offset (UTC when absent), with or without its
 * separators. Undefined for anything else, for impossible dates and for years before 1900.
 */
export function parseIso8601(text: string): Date | undefined {
  const match = ISO_8601.exec(text.trim());
  if (!match) return undefined;
  const [, year, month, day, hour = '00', minute = '00', second = '00', , zone = 'Z'] = match;
  if (Number(year) < 1900) return undefined;
  const utc = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  // An impossible day such as 31 April is refused or rolls over: both are caught here.
  if (Number.isNaN(utc.getTime()) || utc.getUTCDate() !== Number(day)) return undefined;
  return new Date(utc.getTime() - offsetMinutes(zone) * 60_000);
}

function offsetMinutes(zone: string): number {
  if (zone === 'Z') return 0;
  const sign = zone.startsWith('-') ? -1 : 1;
  const digits = zone.slice(1).replace(':', '');
  return sign * (Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2) || '0'));
}
