import {
  baseProperties,
  imageSchema,
  imagesSchema,
  type DeclaredProperties,
  type ImageFormats,
  type JsonSchema,
} from './image-schema';
import { PropertyValues } from './property-values';
import { SchemaCheck } from './schema-check';

/** The schemas of images as this deployment has them: published, and used to check requests. */
export class ImageSchemas {
  readonly image: JsonSchema;
  readonly images: JsonSchema;
  readonly propertyValues: PropertyValues;
  private readonly whole: SchemaCheck;
  private readonly part: SchemaCheck;
  private readonly baseNames: ReadonlySet<string>;

  /** @throws Error for a declared schema that is none. */
  constructor(formats: ImageFormats, declared: DeclaredProperties) {
    this.image = imageSchema(formats, declared);
    this.images = imagesSchema(this.image);
    this.propertyValues = new PropertyValues(declared);
    this.whole = new SchemaCheck({ type: 'object', ...this.image });
    this.part = new SchemaCheck({ type: 'object', ...this.image, required: [] });
    this.baseNames = new Set(Object.keys(baseProperties(formats)));
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
}
