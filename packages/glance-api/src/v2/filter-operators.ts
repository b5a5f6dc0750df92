import { invalidRequest, parseIso8601 } from '@glance/common';

/** `operator:value`; without an operator, or when it is a time as it stands, `eq`. */
export function splitOperator(text: string): { operator: string; value: string } {
  const colon = text.indexOf(':');
  if (colon === -1 || parseIso8601(text)) return { operator: 'eq', value: text };
  return { operator: text.slice(0, colon), value: text.slice(colon + 1) };
}

/**
 * The items of an `in:` list: separated by commas, which double quotes protect; a backslash escapes
 * the next character inside them (api-v2 sheet 5.2).
 * @throws DomainError `invalid_request` for quotes out of place.
 */
export function splitList(text: string): string[] {
  if (text === '') return [];
  const items: string[] = [];
  let rest = text;
  for (;;) {
    const item = rest.startsWith('"') ? quotedItem(rest, text) : plainItem(rest, text);
    items.push(item.value);
    if (item.length === rest.length) return items;
    rest = rest.slice(item.length + 1);
  }
}

interface Item {
  value: string;
  /** Of its spelling. */
  length: number;
}

function plainItem(rest: string, text: string): Item {
  const comma = rest.indexOf(',');
  const value = comma === -1 ? rest : rest.slice(0, comma);
  if (value.includes('"')) {
    throw badQuotes(text, 'there is no comma before opening quotation mark');
  }
  return { value, length: value.length };
}

function quotedItem(rest: string, text: string): Item {
  let value = '';
  for (let index = 1; index < rest.length; index += 1) {
    const character = rest.charAt(index);
    if (character === '"') {
      const after = rest.charAt(index + 1);
      if (after !== '' && after !== ',') {
        throw badQuotes(text, 'there is no comma after closing quotation mark');
      }
      return { value, length: index + 1 };
    }
    if (character === '\\' && index + 1 < rest.length) index += 1;
    value += rest.charAt(index);
  }
  throw badQuotes(text, 'the quote is not closed');
}

function badQuotes(text: string, reason: string): Error {
  return invalidRequest(`Invalid filter value ${text.slice(0, 300)}: ${reason}.`);
}
