/** Ways in which data may be packed that the service unpacks. */
export type Packing = 'gzip' | 'zip' | 'xz' | 'zstd' | 'bzip2';

interface Magic {
  packing: Packing | 'lha';
  offset: number;
  bytes: Buffer;
}

const MAGICS: readonly Magic[] = [
  { packing: 'zip', offset: 0, bytes: Buffer.from('504b0304', 'hex') },
  { packing: 'lha', offset: 2, bytes: Buffer.from('2d6c68', 'hex') },
  { packing: 'gzip', offset: 0, bytes: Buffer.from('1f8b08', 'hex') },
  { packing: 'xz', offset: 0, bytes: Buffer.from('fd377a585a00', 'hex') },
  { packing: 'zstd', offset: 0, bytes: Buffer.from('28b52ffd', 'hex') },
  // A digit for the size of its blocks, and the beginning of a block or of the end.
  ...['314159265359', '177245385090'].flatMap((block) =>
    Array.from('123456789', (level): Magic => {
      const bytes = Buffer.concat([Buffer.from(`BZh${level}`), Buffer.from(block, 'hex')]);
      return { packing: 'bzip2', offset: 0, bytes };
    }),
  ),
];

/** How many bytes tell. */
export const HEAD_BYTES = Math.max(...MAGICS.map(({ offset, bytes }) => offset + bytes.length));

/** @param head the first {@link HEAD_BYTES} of the data, or all there is. */
export function packingOf(head: Buffer): Magic['packing'] | undefined {
  return MAGICS.find(({ offset, bytes }) =>
    head.subarray(offset, offset + bytes.length).equals(bytes),
  )?.packing;
}
