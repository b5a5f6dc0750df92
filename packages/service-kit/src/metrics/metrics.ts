import {
  Counter,
  Gauge,
  Histogram,
  Registry,
  collectDefaultMetrics,
  type MetricObjectWithValues,
  type MetricValue,
} from 'prom-client';

/** One number of a series that has several, told apart by labels. */
export interface Sample {
  labels?: Readonly<Record<string, string>>;
  value: number;
}

/** A series whose numbers somebody keeps anyway: they are asked for at each scrape. */
export interface ReadSeries {
  /** As Prometheus wants it: with its unit, and `_total` at the end of what only grows. */
  name: string;
  help: string;
  labels?: readonly string[];
  read: () => Iterable<Sample> | Promise<Iterable<Sample>>;
}

/** What becomes of a gauge that several processes of a service have. */
export type AcrossProcesses = 'sum' | 'max' | 'min';

export interface DurationSeries {
  name: string;
  help: string;
  labels: readonly string[];
  /** Upper bounds in seconds. */
  buckets: readonly number[];
}

export type SeriesValues = MetricObjectWithValues<MetricValue<string>>[];

/** Series that are scraped together. */
export class SeriesSet {
  readonly registry = new Registry();

  gauge(series: ReadSeries, across: AcrossProcesses = 'sum'): void {
    const { name, help, labels = [], read } = series;
    new Gauge({
      name,
      help,
      labelNames: labels,
      aggregator: across,
      registers: [this.registry],
      async collect() {
        const samples = await read();
        this.reset();
        // Without labels that leaves a zero, which nobody has read.
        if (labels.length === 0) this.remove();
        for (const { labels: chosen = {}, value } of samples) this.set(chosen, value);
      },
    });
  }

  counter(series: ReadSeries): void {
    const { name, help, labels = [], read } = series;
    new Counter({
      name,
      help,
      labelNames: labels,
      registers: [this.registry],
      async collect() {
        const samples = await read();
        this.reset();
        for (const { labels: chosen = {}, value } of samples) this.inc(chosen, value);
      },
    });
  }

  /** A counter that its owner moves. */
  events(series: Omit<ReadSeries, 'read'>): Counter {
    const { name, help, labels = [] } = series;
    return new Counter({ name, help, labelNames: labels, registers: [this.registry] });
  }

  durations({ name, help, labels, buckets }: DurationSeries): Histogram {
    return new Histogram({
      name,
      help,
      labelNames: labels,
      buckets: [...buckets],
      registers: [this.registry],
    });
  }

  values(): Promise<SeriesValues> {
    return this.registry.getMetricsAsJSON();
  }
}

/** What a service tells those who watch it. */
export class Metrics {
  /** Of each process: what all of them have is added up. */
  readonly process = new SeriesSet();
  /** Of what the processes of a service share, such as the database: one of them is asked. */
  readonly service = new SeriesSet();

  /** @param prefix of the names of the service's own series: `glance_api`. */
  constructor(readonly prefix: string) {}

  /** Memory, CPU, event loop and garbage collection of this process, under prom-client's names. */
  watchProcess(): void {
    collectDefaultMetrics({ register: this.process.registry });
  }
}
