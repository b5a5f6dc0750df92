import { DomainError } from '@glance/common';
import type { Detection, Detector } from './detection';
import { gpt } from './detectors/gpt';
import { iso } from './detectors/iso';
import { luks } from './detectors/luks';
import { qcow2 } from './detectors/qcow2';
import { qed } from './detectors/qed';
import { vdi } from './detectors/vdi';
import { vhd } from './detectors/vhd';
import { vhdx } from './detectors/vhdx';
import { vmdk } from './detectors/vmdk';
import { StreamReader } from './stream-reader';

/** By the disk formats that they detect. What none of them knows is raw. */
const DETECTORS = { qcow2, qed, vhd, vhdx, vmdk, vdi, iso, gpt, luks } satisfies Record<
  string,
  Detector
>;

type DetectedFormat = keyof typeof DETECTORS;

export interface FormatRules {
  /** `[image_format] require_image_format_match`; otherwise a mismatch only goes to the log. */
  requireMatch: boolean;
  /** Whether what is said to be raw may be of no format but that of a partitioned disk. */
  requirePlainRaw?: boolean;
  /** `[image_format] gpt_safety_checks_nonfatal` */
  nonfatalGptChecks: readonly string[];
  /** For the operator's log. */
  warn: (message: string) => void;
}

/** Bytes of the disk in an image; null where that is not known. */
export type VirtualSize = number | null;

/**
 * Looks at the data of an image while it passes by, and refuses what its format makes unsafe or what
 * is not of the format that it is said to be (lifecycle sheet §5.2, api-v2 sheet §8.1).
 */
export class FormatInspection {
  private readonly reader = new StreamReader<DetectedFormat>(DETECTORS);
  private totalBytes = 0;

  constructor(
    private readonly diskFormat: string,
    private readonly rules: FormatRules,
  ) {}

  /** @param piece the next bytes, the caller's again when this returns. */
  write(piece: Buffer): void {
    this.totalBytes += piece.length;
    this.reader.write(piece);
  }

  /**
   * When all the data was seen.
   * @throws DomainError `format_refused`, which says what is wrong with it.
   */
  end(): VirtualSize {
    const found = this.reader.end();
    const formats = [...found.keys()];
    // A hybrid image is a CD that boots from a disk, too.
    const isHybrid = formats.length === 2 && found.has('iso') && found.has('gpt');
    if (formats.length > 1 && !(isHybrid && this.diskFormat === 'iso')) {
      this.checkSafety(found);
      return this.mismatch(`it is of several formats at once: ${formats.join(', ')}`);
    }
    const format = isHybrid ? 'iso' : formats[0];
    if (format === undefined) return this.sizeOfPlainData();
    this.checkSafety(found);
    if (format === this.diskFormat) return known(found.get(format));
    if (this.diskFormat === 'raw') {
      // A disk image in a disk image is the user's own affair, as far as it is safe.
      if (format !== 'gpt' && this.rules.requirePlainRaw === true) {
        return this.mismatch(`it is of format ${format}, and the image says raw`);
      }
      if (format !== 'gpt') this.rules.warn(`The data of a raw image is of format ${format}`);
      return this.totalBytes;
    }
    return this.mismatch(`it is of format ${format}, and the image says ${this.diskFormat}`);
  }

  private sizeOfPlainData(): VirtualSize {
    // Of a snapshot whose disks are all volumes Nova makes an empty image, said to be qcow2.
    if (this.totalBytes === 0) return null;
    if (this.diskFormat === 'raw') return this.totalBytes;
    // Of formats such as ami nothing is known that could be looked for.
    if (!Object.hasOwn(DETECTORS, this.diskFormat)) return null;
    return this.mismatch(`it is not of format ${this.diskFormat}, as the image says`);
  }

  private checkSafety(found: ReadonlyMap<DetectedFormat, Detection>): void {
    for (const [format, { faults }] of found) {
      for (const { check, text } of faults) {
        if (format === 'gpt' && this.rules.nonfatalGptChecks.includes(check)) {
          this.rules.warn(`A check of the data failed and is not fatal: ${text}`);
        } else throw refused(text);
      }
    }
  }

  private mismatch(text: string): VirtualSize {
    if (this.rules.requireMatch) throw refused(text);
    this.rules.warn(`The data does not match the image: ${text}`);
    return null;
  }
}

function known(detection: Detection | undefined): VirtualSize {
  return detection?.virtualSizeBytes || null;
}

function refused(text: string): DomainError {
  return new DomainError('format_refused', `The data is refused: ${text}.`);
}
