import { at, broken, fault, size64, type Detector, type Fault } from '../detection';

const HEADER_BYTES = 512;
const V2_HEADER_BYTES = 72;
const V3_HEADER_BYTES = 104;

/** Incompatible features (QEMU's docs/interop/qcow2.txt). */
const DIRTY = 1n << 0n;
const COMPRESSION_TYPE = 1n << 3n;
const CORRUPT = 1n << 1n;
const DATA_FILE = 1n << 2n;
/** At this byte of a header of any version is the bit of an external data file. */
const DATA_FILE_BYTE = 79;

const END_OF_EXTENSIONS = 0;
const DATA_FILE_NAME = 0x44415441;
const MOST_EXTENSIONS = 32;

/** lifecycle sheet §5.1, security sheet §6. */
export const qcow2: Detector = function* () {
  const { bytes: header } = yield at(0, HEADER_BYTES);
  if (header.toString('latin1', 0, 4) !== 'QFI\xfb') return undefined;
  if (header.length < HEADER_BYTES) return broken('qcow2: its header is cut off');
  const version = header.readUInt32BE(4);
  const virtualSizeBytes = size64(header.readBigUInt64BE(24));
  const faults: Fault[] = [];
  if (version !== 2 && version !== 3) {
    faults.push(fault('unknown_features', `qcow2: version ${version} is not supported`));
  }
  if (header.readBigUInt64BE(8) !== 0n) {
    faults.push(fault('backing_file', 'qcow2: it has a backing file'));
  }
  if ((header.readUInt8(DATA_FILE_BYTE) & Number(DATA_FILE)) !== 0) {
    faults.push(fault('data_file', 'qcow2: it has an external data file'));
  }
  if (virtualSizeBytes === null) faults.push(fault('structure', 'qcow2: its size is none'));
  const clusterBits = header.readUInt32BE(20);
  if (clusterBits < 9 || clusterBits > 21) {
    faults.push(fault('structure', 'qcow2: its cluster size is none'));
  }
  if (version === 3) {
    const features = header.readBigUInt64BE(V2_HEADER_BYTES);
    if ((features & CORRUPT) !== 0n) {
      faults.push(fault('unknown_features', 'qcow2: it is marked as corrupt'));
    }
    if ((features & ~(DIRTY | CORRUPT | DATA_FILE | COMPRESSION_TYPE)) !== 0n) {
      faults.push(fault('unknown_features', 'qcow2: it needs features that are not known'));
    }
  }
  if (faults.length > 0) return { virtualSizeBytes, faults };
  const headerBytes = version === 3 ? header.readUInt32BE(100) : V2_HEADER_BYTES;
  const clusterBytes = 2 ** clusterBits;
  const isPlausible = version === 2 || (headerBytes >= V3_HEADER_BYTES && headerBytes % 8 === 0);
  if (!isPlausible || headerBytes > clusterBytes) {
    return broken('qcow2: its header has a length that it cannot have');
  }
  let position = headerBytes;
  for (let count = 0; count < MOST_EXTENSIONS && position + 8 <= clusterBytes; count += 1) {
    const isKnown = position + 8 <= HEADER_BYTES;
    const extension = isKnown
      ? header.subarray(position, position + 8)
      : (yield at(position, 8)).bytes;
    if (extension.length < 8) return broken('qcow2: its header extensions are cut off');
    const type = extension.readUInt32BE(0);
    if (type === END_OF_EXTENSIONS) return { virtualSizeBytes, faults };
    if (type === DATA_FILE_NAME) {
      faults.push(fault('data_file', 'qcow2: it names an external data file'));
      return { virtualSizeBytes, faults };
    }
    position += 8 + Math.ceil(extension.readUInt32BE(4) / 8) * 8;
  }
  // A header that fills its cluster needs no end mark.
  return position === clusterBytes
    ? { virtualSizeBytes, faults }
    : broken('qcow2: its header extensions do not end within the first cluster');
};
