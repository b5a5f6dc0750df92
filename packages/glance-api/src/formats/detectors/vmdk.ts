import { at, broken, fault, size64, type Detection, type Detector, type Fault } from '../detection';

const SECTOR = 512;
const DESCRIPTOR_AT = SECTOR;
const MOST_DESCRIPTOR_BYTES = 1024 * 1024 - 1;
const TEXT_BEGIN = /^# ?disk descriptorfile/i;
const AT_THE_END = 0xffff_ffff_ffff_ffffn;
/** A copy of the header, between its marker and that of the end of the stream. */
const FOOTER_BYTES = 3 * SECTOR;

const SAFE_TYPES = ['monolithicsparse', 'streamoptimized'];
const EXTENT = /^(?:RW|RDONLY|NOACCESS)\s+\d+\s+[A-Z]+(?:\s+"([^"]*)"(?:\s+\d+)?)?\s*$/;
const ASSIGNMENT = /^([A-Za-z][\w.]*)\s*=\s*(.*)$/;

/**
 * lifecycle sheet §5.1, security sheet §6 (OSSA-2023-002): a descriptor may name no other file, for
 * whoever opens the disk would read that.
 */
export const vmdk: Detector = function* () {
  const { bytes: header } = yield at(0, SECTOR);
  const magic = header.toString('latin1', 0, 4);
  if (TEXT_BEGIN.test(header.toString('latin1', 0, 64))) {
    return broken('vmdk: it is a descriptor alone, whose data is in other files');
  }
  if (magic !== 'KDMV') return undefined;
  if (header.length < SECTOR) return broken('vmdk: its header is cut off');
  const version = header.readUInt32LE(4);
  if (version < 1 || version > 3) return broken(`vmdk: version ${version} is not supported`);
  const sectors = size64(header.readBigUInt64LE(12));
  const virtualSizeBytes = sectors === null ? null : sectors * SECTOR;
  if (virtualSizeBytes === null || !Number.isSafeInteger(virtualSizeBytes)) {
    return broken('vmdk: its size is none');
  }
  const descriptorAt = header.readBigUInt64LE(28) * BigInt(SECTOR);
  const descriptorBytes = header.readBigUInt64LE(36) * BigInt(SECTOR);
  if (descriptorAt !== BigInt(DESCRIPTOR_AT) || descriptorBytes > MOST_DESCRIPTOR_BYTES) {
    return broken('vmdk: its descriptor is not where it can be read');
  }
  const { bytes: descriptor } = yield at(DESCRIPTOR_AT, Number(descriptorBytes));
  if (descriptor.length < Number(descriptorBytes)) return broken('vmdk: its descriptor is cut off');
  const faults = descriptorFaults(descriptor);
  const { bytes: tail, totalBytes } = yield { last: FOOTER_BYTES };
  if (header.readBigUInt64LE(56) === AT_THE_END) {
    faults.push(...footerFaults(header, tail, totalBytes));
  }
  return { virtualSizeBytes, faults } satisfies Detection;
};

function descriptorFaults(descriptor: Buffer): Fault[] {
  const end = descriptor.indexOf(0);
  const lines = descriptor
    .toString('latin1', 0, end === -1 ? descriptor.length : end)
    .split(/\r?\n/)
    .map((line) => line.trim());
  const faults: Fault[] = [];
  const refuse = (text: string) => faults.push(fault('descriptor', `vmdk: ${text}`));
  let type = '';
  let extents = 0;
  for (const line of lines) {
    if (line === '' || line.startsWith('#') || line.startsWith('ddb')) continue;
    const extent = EXTENT.exec(line);
    if (extent) {
      extents += 1;
      if (/[/\\]|\.\./.test(extent[1] ?? '')) refuse('an extent is elsewhere');
      continue;
    }
    const [, name = '', value = ''] = ASSIGNMENT.exec(line) ?? [];
    switch (name.toLowerCase()) {
      case '':
        refuse('its descriptor has a line that is not known');
        break;
      case 'createtype':
        type = value.replace(/^"|"$/g, '').toLowerCase();
        break;
      case 'parentcid':
        if (value.toLowerCase() !== 'ffffffff') refuse('it has a parent disk');
        break;
      case 'parentfilenamehint':
        refuse('it has a parent disk');
        break;
      default:
    }
  }
  if (!SAFE_TYPES.includes(type)) refuse('its createType is not accepted');
  if (extents === 0) refuse('it has no extent');
  return faults;
}

/** The stream has ended as it should, and does not contradict how it began. */
function footerFaults(header: Buffer, tail: Buffer, totalBytes: number): Fault[] {
  const footer = tail.subarray(SECTOR, 2 * SECTOR);
  const [marker, end] = [tail.subarray(0, SECTOR), tail.subarray(2 * SECTOR)];
  const isWhole =
    tail.length === FOOTER_BYTES &&
    marker.readUInt32LE(12) === 3 &&
    end.every((byte) => byte === 0) &&
    footer.toString('latin1', 0, 4) === 'KDMV';
  if (!isWhole) return [fault('footer', 'vmdk: its stream has no proper end')];
  // All but the place of the directory, for which the footer is there.
  const agrees =
    footer.subarray(4, 56).equals(header.subarray(4, 56)) &&
    footer.readBigUInt64LE(56) * BigInt(SECTOR) < BigInt(totalBytes);
  return agrees ? [] : [fault('footer', 'vmdk: its end contradicts its beginning')];
}
