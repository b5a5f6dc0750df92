import { at, broken, fault, size64, type Detector } from '../detection';

const REGION_TABLE_AT = 192 * 1024;
const TABLE_BYTES = 64 * 1024;
const MOST_ENTRIES = 2047;
const METADATA_REGION = guid('8b7ca206-4790-4b9a-b8fe-575f050f886e');
const DISK_SIZE = guid('2fa54224-cd1b-4876-b211-5dbed83bf4b8');
const FILE_PARAMETERS = guid('caa16737-fa36-4d43-b3b6-33f0aa44e76b');
const HAS_PARENT = 2;

/** lifecycle sheet §5.1; the tables as in [MS-VHDX] 2.2.3 and 2.6. */
export const vhdx: Detector = function* () {
  const { bytes: magic } = yield at(0, 8);
  if (magic.toString('latin1') !== 'vhdxfile') return undefined;
  const { bytes: regions } = yield at(REGION_TABLE_AT, TABLE_BYTES);
  if (regions.length < TABLE_BYTES || regions.toString('latin1', 0, 4) !== 'regi') {
    return broken('vhdx: it has no region table');
  }
  const region = entryOf(regions, regions.readUInt32LE(8), 16, METADATA_REGION);
  const metadataAt = region && size64(region.readBigUInt64LE(16));
  if (metadataAt === undefined || metadataAt === null) {
    return broken('vhdx: it has no metadata region');
  }
  const { bytes: table } = yield at(metadataAt, TABLE_BYTES);
  if (table.length < TABLE_BYTES || table.toString('latin1', 0, 8) !== 'metadata') {
    return broken('vhdx: it has no metadata where one can read it');
  }
  const entries = table.readUInt16LE(10);
  const wanted = [FILE_PARAMETERS, DISK_SIZE].map((name) => entryOf(table, entries, 32, name));
  const places = wanted.map((entry) => entry && metadataAt + entry.readUInt32LE(16));
  const [parametersAt, sizeAt] = places;
  if (parametersAt === undefined || sizeAt === undefined) {
    return broken('vhdx: its metadata lacks the size of the disk');
  }
  // They lie close to each other, in either order.
  const from = Math.min(parametersAt, sizeAt);
  const { bytes } = yield at(from, Math.min(Math.abs(parametersAt - sizeAt), TABLE_BYTES) + 8);
  const [parameters, size] = [parametersAt, sizeAt].map((place) =>
    bytes.subarray(place - from, place - from + 8),
  );
  if (parameters?.length !== 8 || size?.length !== 8) {
    return broken('vhdx: its metadata is cut off');
  }
  const virtualSizeBytes = size64(size.readBigUInt64LE());
  if (virtualSizeBytes === null) return broken('vhdx: its size is none');
  const faults =
    (parameters.readUInt32LE(4) & HAS_PARENT) === 0
      ? []
      : [fault('backing_file', 'vhdx: it has a parent disk')];
  return { virtualSizeBytes, faults };
};

/** The entry of a table of entries of 32 bytes that begins with a name. */
function entryOf(table: Buffer, count: number, from: number, name: Buffer): Buffer | undefined {
  if (count > MOST_ENTRIES) return undefined;
  for (let place = from; place < from + count * 32 && place + 32 <= table.length; place += 32) {
    if (table.subarray(place, place + 16).equals(name)) return table.subarray(place, place + 32);
  }
  return undefined;
}

/** A GUID as it is stored: its first three parts with the low byte first. */
function guid(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex');
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}
