/** What a detector wants to see next: a part of the stream, or its last bytes, once it has ended. */
export type Want = { offset: number; length: number } | { last: number };

export interface Seen {
  /** Fewer than wanted where the stream has ended before, or had gone on already. */
  bytes: Buffer;
  /** Of the stream so far; of all of it when its last bytes were wanted. */
  totalBytes: number;
}

/** Something in the data that makes it unsafe to hand to whoever interprets its format. */
export interface Fault {
  /** Upstream's name of the check. */
  check: string;
  /** Goes on from "the data is refused:"; nothing of the data, such as a path, stands in it. */
  text: string;
}

/** Data that is of a format, whole or broken. */
export interface Detection {
  /** Of the disk in the image; null where the format does not say. */
  virtualSizeBytes: number | null;
  faults: Fault[];
}

/**
 * Looks at a stream that passes by once: asks for parts of it in ascending order, and says in the end
 * whether it is of the detector's format.
 */
export type Detector = () => Generator<Want, Detection | undefined, Seen>;

export const at = (offset: number, length: number): Want => ({ offset, length });

export const fault = (check: string, text: string): Fault => ({ check, text });

/** Of a format whose structures are not all there, or not where one pass can read them. */
export function broken(text: string): Detection {
  return { virtualSizeBytes: null, faults: [fault('structure', text)] };
}

/** A number of 64 bits; beyond what JavaScript counts exactly it is none that any disk has. */
export function size64(value: bigint): number | null {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : null;
}
