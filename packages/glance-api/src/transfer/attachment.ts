/**
 * The Content-Disposition of image data: a browser saves it and never shows it. Its name is made of
 * the id alone, whatever characters that came with from elsewhere; the name of an image is its owner's choice.
 */
export function attachment(imageId: string): string {
  return `attachment; filename="${imageId.replace(/[^\w.-]/g, '_')}"`;
}
