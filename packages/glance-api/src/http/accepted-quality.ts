/**
 * How much an `Accept` header wants a media type, from 0 (not at all) to 1: the weight of the most
 * specific range that the type is in (RFC 9110 §12.5.1). Ranges with parameters are left out, for
 * nothing here has any.
 */
export function acceptedQuality(accept: string, mediaType: string): number {
  const [group = ''] = mediaType.split('/');
  const weights = new Map(accept.split(',').map(weightedRange));
  return weights.get(mediaType) ?? weights.get(`${group}/*`) ?? weights.get('*/*') ?? 0;
}

function weightedRange(text: string): [string, number] {
  const [range = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const [weight = 'q=1', ...others] = parameters;
  const quality = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.exec(weight)?.[1];
  // An unreadable weight refuses nothing: such a client has asked for the type by name.
  if (weight.startsWith('q=')) return [range, Number(quality ?? 1)];
  return [[range, weight, ...others].join(';'), 1];
}
