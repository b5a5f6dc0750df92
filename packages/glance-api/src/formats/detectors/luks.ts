import { at, broken, fault, type Detector, type Fault } from '../detection';

const HEADER_BYTES = 592;
const KEY_SLOTS_AT = 208;
const KEY_SLOT_BYTES = 48;
const KEY_SLOTS = 8;
/** Of key derivation: more only keeps whoever opens the image busy. */
const MOST_ITERATIONS = 12_000_000;

/** lifecycle sheet §5.1; the header as in the LUKS1 on-disk format. */
export const luks: Detector = function* () {
  const { bytes: header } = yield at(0, HEADER_BYTES);
  if (header.toString('latin1', 0, 6) !== 'LUKS\xba\xbe') return undefined;
  if (header.length < HEADER_BYTES) return broken('luks: its header is cut off');
  const version = header.readUInt16BE(6);
  const faults: Fault[] = [];
  if (version === 1) {
    const slots = Array.from({ length: KEY_SLOTS }, (_, slot) =>
      header.readUInt32BE(KEY_SLOTS_AT + slot * KEY_SLOT_BYTES + 4),
    );
    if ([header.readUInt32BE(164), ...slots].some((count) => count > MOST_ITERATIONS)) {
      faults.push(fault('iterations', 'luks: its keys take too long to derive'));
    }
  } else faults.push(fault('version', `luks: version ${version} is not supported`));
  const payloadAt = header.readUInt32BE(104) * 512;
  const { totalBytes } = yield { last: 0 };
  if (version === 1 && payloadAt > totalBytes) {
    faults.push(fault('structure', 'luks: its payload lies beyond its end'));
  }
  return { virtualSizeBytes: Math.max(0, totalBytes - payloadAt), faults };
};
