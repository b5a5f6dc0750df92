import { DomainError } from '@glance/common';
import {
  NO_SUCH_PROGRAM,
  describeExit,
  exitCodeOf,
  textOf,
  type ChildLimits,
  type LimitedRunner,
} from './limited-child';

/** Formats that images may be converted to (lifecycle sheet §5.3). */
export const CONVERSION_FORMATS = ['raw', 'qcow2', 'vmdk'] as const;
export type ConversionFormat = (typeof CONVERSION_FORMATS)[number];

const MIB = 1024 * 1024;
/** Upstream's limits of `qemu-img info`. */
const INFO_LIMITS: ChildLimits = { cpuSeconds: 2, memoryBytes: 1024 * MIB, fileBytes: 0 };
const CONVERT_MEMORY_BYTES = 2048 * MIB;

/** By the names of disk_format; one that is not here is called the same. */
const QEMU_NAMES: Readonly<Record<string, string>> = { vhd: 'vpc' };
const CONVERTIBLE = ['raw', 'qcow2', 'vmdk', 'vhd', 'vhdx', 'vdi'];

/** Of `qemu-img check`: no errors; clusters that nothing uses; a format without checks. */
const SOUND = [0, 3, 63];

interface Outcome {
  /** Null when a signal has ended it. */
  exitCode: number | null;
  said: string;
  complaint: string;
}

interface DiskInfo {
  format: string;
  'virtual-size': number;
  'backing-filename'?: string;
  'full-backing-filename'?: string;
  'format-specific'?: { data?: { 'create-type'?: string; 'data-file'?: string } };
}

export interface ConversionOptions {
  runner: LimitedRunner;
  /** `[image_format] vmdk_allowed_types` */
  vmdkTypes: readonly string[];
  /** Of the disk, and of the converted image. */
  maxBytes: number;
  cpuSeconds: number;
}

/** Converts disk images by qemu-img, which reads nothing but files that were inspected before. */
export class DiskConversion {
  constructor(private readonly options: ConversionOptions) {}

  /**
   * @param file an image of that disk_format, inspected
   * @param converted the path to write, where nothing is yet
   * @throws DomainError `format_refused`, `too_large`, `store_full`, `store_failed`
   */
  async convert(
    file: string,
    from: string,
    converted: string,
    to: ConversionFormat,
    signal: AbortSignal,
  ): Promise<void> {
    if (!CONVERTIBLE.includes(from)) {
      throw refused(`images of format ${from} cannot be converted to ${to}`);
    }
    const { maxBytes, cpuSeconds } = this.options;
    const format = QEMU_NAMES[from] ?? from;
    this.checkInfo(await this.info(file, format, signal), format);
    const limits = { cpuSeconds, memoryBytes: CONVERT_MEMORY_BYTES, fileBytes: maxBytes };
    await this.check(file, format, { ...limits, fileBytes: 0 }, signal);
    requireSuccess(
      await this.run(['convert', '-f', format, '-O', to, file, converted], limits, signal),
    );
  }

  private checkInfo(info: DiskInfo, format: string): void {
    const { vmdkTypes, maxBytes } = this.options;
    if (info.format !== format) throw refused(`it is of format ${info.format}, not ${format}`);
    const { 'create-type': type, 'data-file': dataFile } = info['format-specific']?.data ?? {};
    const backing = info['backing-filename'] ?? info['full-backing-filename'];
    if (backing !== undefined || dataFile !== undefined) {
      throw refused('it refers to another file');
    }
    if (format === 'vmdk' && (type === undefined || !vmdkTypes.includes(type))) {
      throw refused(`it is a vmdk of the type ${type ?? 'that none says'}`);
    }
    if (info['virtual-size'] > maxBytes) {
      const text = `The disk in the image has ${info['virtual-size']} bytes, and images may have ${maxBytes}`;
      throw new DomainError('too_large', text);
    }
  }

  /** What a conversion does not find in its source it takes for zeroes: an image that was cut off. */
  private async check(
    file: string,
    format: string,
    limits: ChildLimits,
    signal: AbortSignal,
  ): Promise<void> {
    const { exitCode } = await this.run(['check', '-q', '-f', format, file], limits, signal);
    if (exitCode !== null && SOUND.includes(exitCode)) return;
    throw refused('it is damaged: parts of the disk are missing or contradict each other');
  }

  private async info(file: string, format: string, signal: AbortSignal): Promise<DiskInfo> {
    const outcome = await this.run(
      ['info', '-f', format, '--output=json', file],
      INFO_LIMITS,
      signal,
    );
    requireSuccess(outcome);
    try {
      return JSON.parse(outcome.said) as DiskInfo;
    } catch (cause) {
      throw new DomainError('store_failed', 'qemu-img does not say what the image is', { cause });
    }
  }

  private async run(
    args: readonly string[],
    limits: ChildLimits,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const child = await this.options.runner.start(['qemu-img', ...args], limits, signal);
    child.stdin.end();
    const [exitCode, said, complaint] = await Promise.all([
      exitCodeOf(child),
      textOf(child.stdout, MIB),
      textOf(child.stderr),
    ]);
    if (exitCode === NO_SUCH_PROGRAM) {
      const text =
        'Images cannot be converted on this node: it has no qemu-img (package qemu-utils)';
      throw new DomainError('store_unavailable', text);
    }
    return { exitCode, said, complaint };
  }
}

/** Of what the program says nothing goes to users: it names files of this node. */
function requireSuccess({ exitCode, complaint }: Outcome): void {
  if (exitCode === 0 && complaint === '') return;
  const cause = new Error(`qemu-img: ${complaint || describeExit(exitCode)}`);
  if (/No space left|Disk quota exceeded/.test(complaint)) {
    throw new DomainError('store_full', 'The work area of imports is full', { cause });
  }
  const text = 'The data is refused: qemu-img cannot read it as what it should be.';
  throw new DomainError('format_refused', text, { cause });
}

function refused(text: string): DomainError {
  return new DomainError('format_refused', `The data is refused: ${text}.`);
}
