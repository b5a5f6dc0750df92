import { at, type Detector } from '../detection';

const DESCRIPTOR_AT = 32_768;
const STANDARDS = ['CD001', 'NSR02', 'NSR03'];

/** The first volume descriptor (lifecycle sheet §5.1). */
export const iso: Detector = function* () {
  const { bytes } = yield at(DESCRIPTOR_AT, 2048);
  if (!STANDARDS.includes(bytes.toString('latin1', 1, 6)) || bytes.length < 130) return undefined;
  const virtualSizeBytes = bytes.readUInt32LE(80) * bytes.readUInt16LE(128);
  return { virtualSizeBytes, faults: [] };
};
