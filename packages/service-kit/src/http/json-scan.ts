import { invalidRequest } from '@glance/common';

export interface JsonLimits {
  /** Levels of objects and arrays. */
  maxDepth: number;
  /** Members of one object. */
  maxKeys: number;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** An object or array that has begun; arrays have no names. */
type Level = Set<string> | undefined;

/**
 * One pass over JSON text before anything recursive sees it: who reads a name given twice, the
 * first or the last, decides what a document says, so it says nothing (security sheet §5). Text
 * that is no JSON passes here and fails in the parser.
 * @throws DomainError `invalid_request`.
 */
export function checkJsonText(text: string, limits: JsonLimits): void {
  const levels: Level[] = [];
  let names: Level;
  let nameComesNext = false;
  for (let index = 0; index < text.length; index += 1) {
    switch (text.charCodeAt(index)) {
      case QUOTE: {
        const end = endOfString(text, index);
        if (nameComesNext && names) addName(names, text.slice(index, end + 1), limits.maxKeys);
        nameComesNext = false;
        index = end;
        break;
      }
      case OPEN_BRACE:
      case OPEN_BRACKET:
        if (levels.length === limits.maxDepth) {
          throw invalidRequest(`JSON nested deeper than ${limits.maxDepth} levels`);
        }
        names = text.charCodeAt(index) === OPEN_BRACE ? new Set() : undefined;
        levels.push(names);
        nameComesNext = true;
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        levels.pop();
        names = levels.at(-1);
        nameComesNext = false;
        break;
      case COMMA:
        nameComesNext = true;
        break;
    }
  }
}

/** @returns where the string that begins here has its last quotation mark, or the end of the text. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end === -1 ? text.length : end;
}

function isEscaped(text: string, index: number): boolean {
  let first = index;
  while (text.charCodeAt(first - 1) === BACKSLASH) first -= 1;
  return (index - first) % 2 === 1;
}

function addName(names: Set<string>, literal: string, maxKeys: number): void {
  const name = literal.includes('\\') ? decoded(literal) : literal.slice(1, -1);
  if (names.has(name)) {
    throw invalidRequest(`The name '${name.slice(0, 64)}' is given twice in one JSON object`);
  }
  names.add(name);
  if (names.size > maxKeys) {
    throw invalidRequest(`A JSON object has more than ${maxKeys} names`);
  }
}

/** Names are the same when they mean the same: "\u0061" is "a". */
function decoded(literal: string): string {
  try {
    return JSON.parse(literal) as string;
  } catch {
    // The parser will say so.
    return literal;
  }
}
