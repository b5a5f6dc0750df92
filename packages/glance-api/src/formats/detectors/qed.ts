import { at, fault, type Detector } from '../detection';

/** Nobody should use it any more (lifecycle sheet §5.1). */
export const qed: Detector = function* () {
  const { bytes } = yield at(0, 4);
  if (bytes.toString('latin1') !== 'QED\0') return undefined;
  return { virtualSizeBytes: null, faults: [fault('banned', 'qed: this format is not accepted')] };
};
