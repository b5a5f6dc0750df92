import { createReadStream } from 'node:fs';
import { failPoint, type ImageRecord, type LearnedFacts } from '@glance/common';
import type { BlobStream, UploadName } from '@glance/stores';
import { FormatInspection, type FormatRules } from '../../formats/format-inspection';
import { DiskConversion, type ConversionFormat } from './disk-conversion';
import type { LimitedRunner } from './limited-child';
import { spool } from './spool';
import { unpack, verified, type Chunks, type PackedExpectation } from './unpack';
import { removeFile, type WorkArea } from './work-area';

export interface PreparationOptions {
  /** The plugin image_decompression. */
  unpacks: boolean;
  /** The plugin image_conversion, and its `output_format`. */
  convertsTo: ConversionFormat | undefined;
  workArea: WorkArea;
  runner: LimitedRunner;
  vmdkTypes: readonly string[];
  formatRules: FormatRules;
  /** Of an image, and of whatever is made of it on the way. */
  imageSizeCapBytes: number;
  /** For what is done to one image. */
  cpuSeconds: number;
}

export interface PreparedData {
  stream: BlobStream;
  /** What the image is to be, when it is not what it says. */
  learned?: LearnedFacts;
}

/** A file is read ahead by so much. */
const READ_BYTES = 1024 * 1024;

/**
 * What plugins make of imported data before a store has it: unpacked first, then converted (tasks
 * sheet §7, lifecycle sheet §5.3). What they keep on the way belongs to the attempt, and goes with it.
 */
export class DataPreparation {
  private readonly conversion: DiskConversion;

  constructor(private readonly options: PreparationOptions) {
    const { imageSizeCapBytes: maxBytes } = options;
    this.conversion = new DiskConversion({ ...options, maxBytes });
  }

  /** Whether data of the image may become other data. */
  concerns(image: ImageRecord): boolean {
    return this.unpacks(image) || this.targetOf(image) !== undefined;
  }

  /** @param expected what packed data must be, where that is known */
  async prepare(
    name: UploadName,
    image: ImageRecord,
    data: Chunks,
    expected: PackedExpectation | undefined,
    signal: AbortSignal,
  ): Promise<PreparedData> {
    const known = expected ? verified(data, expected) : data;
    const unpacked = this.unpacks(image) ? this.unpack(name, known, signal) : known;
    const target = this.targetOf(image);
    if (target === undefined) return { stream: streamOf(unpacked) };
    return await this.convert(name, image, unpacked, target, signal);
  }

  /** What an attempt has kept. */
  async release(name: UploadName): Promise<void> {
    await this.options.workArea.removeUnfinished(name);
  }

  /** Containers are what they are: only bare data is a disk that can be another. */
  private targetOf(image: ImageRecord): ConversionFormat | undefined {
    const isDisk = image.containerFormat === 'bare' && image.diskFormat !== 'iso';
    return isDisk ? this.options.convertsTo : undefined;
  }

  private unpacks(image: ImageRecord): boolean {
    return this.options.unpacks && image.containerFormat !== 'compressed';
  }

  private unpack(name: UploadName, data: Chunks, signal: AbortSignal): Chunks {
    const { runner, workArea, imageSizeCapBytes: maxBytes, cpuSeconds } = this.options;
    const packedFile = (): Promise<string> => workArea.fileFor(name, 'packed');
    return unpack(data, { runner, packedFile, maxBytes, cpuSeconds, signal });
  }

  private async convert(
    name: UploadName,
    image: ImageRecord,
    data: Chunks,
    target: ConversionFormat,
    signal: AbortSignal,
  ): Promise<PreparedData> {
    const { workArea, formatRules, imageSizeCapBytes: maxBytes } = this.options;
    const file = await workArea.fileFor(name, 'source');
    const from = image.diskFormat ?? target;
    const inspection = new FormatInspection(from, {
      ...formatRules,
      requireMatch: true,
      requirePlainRaw: true,
    });
    await spool(data, file, { maxBytes, watch: (piece) => inspection.write(piece) });
    inspection.end();
    failPoint('I3');
    if (from === target) return { stream: fileStream(file, signal) };
    const converted = await workArea.fileFor(name, 'converted');
    await this.conversion.convert(file, from, converted, target, signal);
    await removeFile(file);
    return { stream: fileStream(converted, signal), learned: { diskFormat: target } };
  }
}

function streamOf(data: Chunks): BlobStream {
  return data[Symbol.asyncIterator]() as BlobStream;
}

function fileStream(file: string, signal: AbortSignal): BlobStream {
  return streamOf(createReadStream(file, { highWaterMark: READ_BYTES, signal }));
}
