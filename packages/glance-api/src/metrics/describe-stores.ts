import { describeError } from '@glance/common';
import { CachedReading, type Logger, type Metrics, type Sample } from '@glance/service-kit';
import type { InstrumentedStore, OperationMetrics, StoreMetrics, StoreSet } from '@glance/stores';

const ROOM_MAX_AGE_MS = 10_000;
const ROOM_PATIENCE_MS = 2000;

/** What each store does, and how much room it has. */
export function describeStores(metrics: Metrics, stores: StoreSet, logger: Logger): void {
  describeTransfers(metrics, stores);
  describeOperations(metrics, stores);
  describeRoom(metrics, stores, logger);
}

function describeTransfers({ process: series, prefix }: Metrics, stores: StoreSet): void {
  const labels = ['store', 'type'];
  const each =
    (value: (store: StoreMetrics) => number): (() => Sample[]) =>
    () =>
      stores.metrics().map((store) => ({
        labels: { store: store.storeId, type: store.type },
        value: value(store),
      }));
  series.counter({
    name: `${prefix}_store_written_bytes_total`,
    help: 'Bytes that the store was given to keep, also those of uploads that failed',
    labels,
    read: each(({ bytesWritten }) => bytesWritten),
  });
  series.counter({
    name: `${prefix}_store_read_bytes_total`,
    help: 'Bytes that were read from the store',
    labels,
    read: each(({ bytesRead }) => bytesRead),
  });
  series.gauge({
    name: `${prefix}_store_writes_in_flight`,
    help: 'Images that are being written to the store',
    labels,
    read: each(({ operations }) => operations.add?.inFlight ?? 0),
  });
  series.gauge({
    name: `${prefix}_store_reads_in_flight`,
    help: 'Images that are being read from the store',
    labels,
    read: each(({ openReaders }) => openReaders),
  });
}

function describeOperations({ process: series, prefix }: Metrics, stores: StoreSet): void {
  const labels = ['store', 'operation'];
  const each =
    (value: (operation: OperationMetrics) => number): (() => Sample[]) =>
    () =>
      stores.metrics().flatMap(({ storeId: store, operations }) =>
        Object.entries(operations).map(([operation, counts]) => ({
          labels: { store, operation },
          value: value(counts),
        })),
      );
  series.counter({
    name: `${prefix}_store_operations_total`,
    help: 'Operations that were begun on the store',
    labels,
    read: each(({ calls }) => calls),
  });
  series.counter({
    name: `${prefix}_store_operation_seconds_total`,
    help: 'Time that operations on the store have taken; an add takes as long as the upload',
    labels,
    read: each(({ totalMs }) => totalMs / 1000),
  });
  series.counter({
    name: `${prefix}_store_operation_failures_total`,
    help: 'Operations on the store that failed, by reason; aborted and source_failed are no fault of the store',
    labels: [...labels, 'reason'],
    read: () =>
      stores.metrics().flatMap(({ storeId: store, operations }) =>
        Object.entries(operations).flatMap(([operation, { failures }]) =>
          Object.entries(failures).map(([reason, value]) => ({
            labels: { store, operation, reason },
            value,
          })),
        ),
      ),
  });
}

function describeRoom(
  { service: series, prefix }: Metrics,
  stores: StoreSet,
  logger: Logger,
): void {
  // Each by itself: a file system that hangs hides no other.
  const readings = stores.list().map((store) => ({ store, room: readRoom(store, logger) }));
  const each =
    (value: (room: { sizeBytes: number; freeBytes: number }) => number) =>
    async (): Promise<Sample[]> => {
      const samples = readings.map(async ({ store, room }) =>
        ((await room.get()) ?? []).map((place) => ({
          labels: { store: store.id, directory: place.directory },
          value: value(place),
        })),
      );
      return (await Promise.all(samples)).flat();
    };
  const labels = ['store', 'directory'];
  series.gauge({
    name: `${prefix}_store_free_bytes`,
    help: 'Bytes that may still be written to the file system of a directory of the store',
    labels,
    read: each(({ freeBytes }) => freeBytes),
  });
  series.gauge({
    name: `${prefix}_store_size_bytes`,
    help: 'Bytes of the file system of a directory of the store',
    labels,
    read: each(({ sizeBytes }) => sizeBytes),
  });
}

function readRoom(store: InstrumentedStore, logger: Logger) {
  return new CachedReading({
    read: () => store.room(),
    maxAgeMs: ROOM_MAX_AGE_MS,
    patienceMs: ROOM_PATIENCE_MS,
    onFailure: (error) => {
      logger.warn(`The room of store ${store.id} is not known: ${describeError(error)}`);
    },
  });
}
