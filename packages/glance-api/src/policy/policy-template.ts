import { toPolicyText, type PolicyTarget } from './check';

/** The right side of a check: text in which `%(name)s` stands for a field of the target. */
export class PolicyTemplate {
  private constructor(private readonly pieces: readonly (string | { readonly field: string })[]) {}

  /** @throws TemplateError */
  static parse(text: string): PolicyTemplate {
    const pieces: (string | { field: string })[] = [];
    const token = /%\(([^)]*)\)s|%%|%|[^%]+/g;
    for (const match of text.matchAll(token)) {
      const [whole, field] = match;
      if (field !== undefined) pieces.push({ field });
      else if (whole === '%%') pieces.push('%');
      else if (whole === '%') throw new TemplateError(match.index);
      else pieces.push(whole);
    }
    return new PolicyTemplate(pieces);
  }

  /** True when no field of the target takes part. */
  get isConstant(): boolean {
    return this.pieces.every((piece) => typeof piece === 'string');
  }

  /** Undefined when the target lacks a field. */
  fill(target: PolicyTarget): string | undefined {
    let text = '';
    for (const piece of this.pieces) {
      if (typeof piece === 'string') text += piece;
      else if (target.has(piece.field)) text += toPolicyText(target.get(piece.field));
      else return undefined;
    }
    return text;
  }
}

/** A template that cannot be understood; `offset` is a character of its text, from 0. */
export class TemplateError extends Error {
  constructor(readonly offset: number) {
    super('a "%" must be "%(name)s", or "%%" for the character itself');
  }
}
