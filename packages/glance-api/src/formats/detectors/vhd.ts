import { at, broken, fault, size64, type Detector, type Fault } from '../detection';

const FOOTER_BYTES = 512;
const DYNAMIC = 3;
const DIFFERENCING = 4;
const DYNAMIC_HEADER_BYTES = 1024;

/** With a copy of its footer at the start; a fixed disk looks like any raw one (lifecycle sheet §5.1). */
export const vhd: Detector = function* () {
  const { bytes: footer } = yield at(0, FOOTER_BYTES);
  if (footer.toString('latin1', 0, 8) !== 'conectix') return undefined;
  if (footer.length < FOOTER_BYTES) return broken('vhd: its header is cut off');
  const virtualSizeBytes = size64(footer.readBigUInt64BE(40));
  const type = footer.readUInt32BE(60);
  const faults: Fault[] = [];
  if (virtualSizeBytes === null) faults.push(fault('structure', 'vhd: its size is none'));
  if (type === DIFFERENCING) faults.push(fault('backing_file', 'vhd: it has a parent disk'));
  if (type !== DYNAMIC || faults.length > 0) return { virtualSizeBytes, faults };
  const headerAt = size64(footer.readBigUInt64BE(16));
  if (headerAt === null || headerAt < FOOTER_BYTES) {
    return broken('vhd: its dynamic header lies where none can be');
  }
  const { bytes: header } = yield at(headerAt, DYNAMIC_HEADER_BYTES);
  if (header.toString('latin1', 0, 8) !== 'cxsparse' || header.length < DYNAMIC_HEADER_BYTES) {
    return broken('vhd: it has no dynamic header');
  }
  const tableAt = size64(header.readBigUInt64BE(16));
  const entries = header.readUInt32BE(28);
  const { totalBytes } = yield { last: 0 };
  if (tableAt === null || tableAt + entries * 4 > totalBytes) {
    return broken('vhd: its block table reaches beyond its end');
  }
  return { virtualSizeBytes, faults };
};
