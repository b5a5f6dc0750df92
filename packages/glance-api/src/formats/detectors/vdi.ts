import { at, broken, fault, size64, type Detector, type Fault } from '../detection';

const HEADER_BYTES = 512;
const SIGNATURE = 0xbeda107f;
const PLAIN_TYPES = [1, 2];
const PARENT_AT = 440;

/** lifecycle sheet §5.1; the fields as QEMU's block/vdi.c names them. */
export const vdi: Detector = function* () {
  const { bytes: header } = yield at(0, HEADER_BYTES);
  if (header.length < 68 || header.readUInt32LE(64) !== SIGNATURE) return undefined;
  if (header.length < HEADER_BYTES) return broken('vdi: its header is cut off');
  const virtualSizeBytes = size64(header.readBigUInt64LE(368));
  const faults: Fault[] = [];
  if (virtualSizeBytes === null) faults.push(fault('structure', 'vdi: its size is none'));
  const hasParent = header.subarray(PARENT_AT, PARENT_AT + 16).some((byte) => byte !== 0);
  if (hasParent || !PLAIN_TYPES.includes(header.readUInt32LE(76))) {
    faults.push(fault('backing_file', 'vdi: it is based on another disk'));
  }
  const mapAt = header.readUInt32LE(340);
  const blocks = header.readUInt32LE(384);
  const { totalBytes } = yield { last: 0 };
  if (mapAt + blocks * 4 > totalBytes) {
    faults.push(fault('structure', 'vdi: its block map reaches beyond its end'));
  }
  return { virtualSizeBytes, faults };
};
