/** Text as a header's value: UTF-8 bytes; control characters, which would end it, become blanks. */
export function encodeHeaderValue(text: string): string {
  const bytes = Buffer.from(text, 'utf8').toString('latin1');
  // eslint-disable-next-line no-control-regex -- these may not stand in a header
  return bytes.replace(/[\u0000-\u0008\u000a-\u001f\u007f]/g, ' ');
}

/** Upstream's words for true; everything else is false and never an error. */
export function isTrueText(text: string | null | undefined): boolean {
  return ['1', 't', 'true', 'on', 'y', 'yes'].includes((text ?? '').trim().toLowerCase());
}
