import { at, fault, type Detector, type Fault } from '../detection';

const TABLE_AT = 446;
const ENTRY_BYTES = 16;
const PROTECTIVE = 0xee;

/** A partition table, of the old kind too; what it holds is a raw disk (lifecycle sheet §5.1). */
export const gpt: Detector = function* () {
  const { bytes: sector } = yield at(0, 512);
  if (sector.length < 512 || sector.readUInt16LE(510) !== 0xaa55) return undefined;
  const isFat = sector.readUInt8(16) === 2 && sector.readUInt8(21) === 0xf8;
  if (isFat) return undefined;
  const { totalBytes } = yield { last: 0 };
  return { virtualSizeBytes: totalBytes, faults: faultsOf(sector) };
};

function faultsOf(sector: Buffer): Fault[] {
  const entries = [0, 1, 2, 3].map((index) =>
    sector.subarray(TABLE_AT + index * ENTRY_BYTES, TABLE_AT + (index + 1) * ENTRY_BYTES),
  );
  const used = entries.filter((entry) => entry.readUInt8(4) !== 0);
  const faults: Fault[] = [];
  const mbr = (text: string) => faults.push(fault('mbr', `gpt: ${text}`));
  if (entries.some((entry) => ![0, 0x80].includes(entry.readUInt8(0)))) {
    mbr('a partition has a boot flag that is none');
  }
  if (used.length === 0) mbr('its partition table is empty');
  const protective = entries.findIndex((entry) => entry.readUInt8(4) === PROTECTIVE);
  const entry = entries[protective];
  if (entry) {
    const startsRight =
      entry.subarray(1, 4).equals(Buffer.from([0, 2, 0])) && entry.readUInt32LE(8) === 1;
    if (!startsRight) mbr('its protective partition starts where it cannot');
    if (protective !== 0 || used.length > 1) mbr('its protective partition is not the only one');
  }
  return faults;
}
