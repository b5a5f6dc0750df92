import {
  baseProperties,
  imageSchema,
  imagesSchema,
  type DeclaredProperties,
  type ImageFormats,
  type JsonSchema,
} from './image-schema';
import { SchemaCheck } from './schema-check';

/** The schemas of images as this deployment has them: published, and used to check requests. */
export class ImageSchemas {
  readonly image: JsonSchema;
  readonly images: JsonSchema;
  private readonly whole: SchemaCheck;
  private readonly part: SchemaCheck;
  private readonly baseNames: ReadonlySet<string>;
  private readonly nullable: ReadonlySet<string>;

  /** @throws Error for a declared schema that is none. */
  constructor(formats: ImageFormats, declared: DeclaredProperties) {
    this.image = imageSchema(formats, declared);
    this.images = imagesSchema(this.image);
    this.whole = new SchemaCheck(this.image);
    this.part = new SchemaCheck({ ...this.image, required: [] });
    this.baseNames = new Set(Object.keys(baseProperties(formats)));
    this.nullable = new Set(
      Object.entries(declared.properties)
        .filter(([, { type }]) => Array.isArray(type) && type.includes('null'))
        .map(([name]) => name),
    );
  }

  /** @throws DomainError `invalid_request` for a new image that does not match. */
  checkImage(body: unknown): void {
    this.whole.check(body);
  }

  /** Checks a change of one property: nothing is required of it (api-v2 sheet 4.4). */
  checkPart(part: Readonly<Record<string, unknown>>): void {
    this.part.check(part);
  }

  isBase(name: string): boolean {
    return this.baseNames.has(name);
  }

  /** Declared properties whose null is a value of its own. */
  get nullableProperties(): ReadonlySet<string> {
    return this.nullable;
  }
}
