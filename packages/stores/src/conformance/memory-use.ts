import type { ByteSource } from '../store-driver';

export const MIB = 1024 * 1024;

interface MemoryProbe {
  sample: () => void;
  sampled(stream: ByteSource): ByteSource;
  /** The most by which buffers have grown since the probe was made. */
  growthBytes(): number;
}

/** Watches the memory of buffers, collected or not: what a transfer must not pile up. */
export function peakBufferBytes(): MemoryProbe {
  const start = process.memoryUsage().arrayBuffers;
  let peak = start;
  const sample = (): void => {
    peak = Math.max(peak, process.memoryUsage().arrayBuffers);
  };
  return {
    sample,
    async *sampled(stream) {
      for await (const chunk of stream) {
        sample();
        yield chunk;
      }
    },
    growthBytes: () => peak - start,
  };
}
