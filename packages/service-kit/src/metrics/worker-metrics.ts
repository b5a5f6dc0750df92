import cluster, { type Worker } from 'node:cluster';
import { AggregatorRegistry } from 'prom-client';
import type { Metrics, SeriesValues } from './metrics';

/** A supervisor asks a worker. */
interface Question {
  kind: 'metrics?';
  id: number;
  /** Also for what the workers share. */
  ofService: boolean;
}

interface Answer {
  kind: 'metrics';
  id: number;
  process: SeriesValues;
  service: SeriesValues;
}

const PATIENCE_MS = 7000;

/** Everything that this process knows, of itself and of what its service shares. */
export async function readMetrics(metrics: Metrics): Promise<string> {
  const texts = [metrics.process, metrics.service].map((set) => set.registry.metrics());
  return (await Promise.all(texts)).join('\n');
}

/** In a worker: answers its supervisor. */
export function answerSupervisor(metrics: Metrics): void {
  process.on('message', (message: unknown) => {
    if (!isQuestion(message)) return;
    const { id, ofService } = message;
    void Promise.all([
      metrics.process.values(),
      ofService ? metrics.service.values() : Promise.resolve([]),
    ]).then(([ofProcess, shared]) => {
      const answer: Answer = { kind: 'metrics', id, process: ofProcess, service: shared };
      // Fails when the supervisor has gone, and the worker ends for that.
      process.send?.(answer, undefined, undefined, () => undefined);
    });
  });
}

/**
 * In a supervisor: the metrics of its workers as those of one service. Prometheus takes a counter
 * that falls for one that began anew, and counts all of it again. So what a worker had counted
 * stays when it ends, and the last answer stands for one that does not come.
 */
export class WorkerMetrics {
  /** Ids of workers that have begun to serve; before, a question would not be heard. */
  private readonly serving = new Set<number>();
  private readonly last = new Map<number, SeriesValues>();
  private ofTheDead: SeriesValues = [];
  private readonly waiting = new Map<string, (answer: Answer | undefined) => void>();
  private questions = 0;

  constructor() {
    cluster.on('message', (worker, message: unknown) => {
      if (isAnswer(message)) this.waiting.get(placeOf(worker, message.id))?.(message);
    });
    cluster.on('listening', (worker) => this.serving.add(worker.id));
    cluster.on('exit', (worker) => void this.bury(worker));
  }

  async read(): Promise<string> {
    this.questions += 1;
    const id = this.questions;
    const workers = Object.values(cluster.workers ?? {}).filter(
      (worker) => worker?.isConnected() === true && this.serving.has(worker.id),
    ) as Worker[];
    const [teller] = workers;
    const answers = await Promise.all(
      workers.map((worker) =>
        this.ask(worker, { kind: 'metrics?', id, ofService: worker === teller }),
      ),
    );
    const service = answers.find((answer) => answer && answer.service.length > 0)?.service ?? [];
    return await AggregatorRegistry.aggregate([
      ...this.last.values(),
      this.ofTheDead,
      service,
    ]).metrics();
  }

  private async ask(worker: Worker, question: Question): Promise<Answer | undefined> {
    const place = placeOf(worker, question.id);
    let timer: NodeJS.Timeout | undefined;
    const answer = await new Promise<Answer | undefined>((resolve) => {
      this.waiting.set(place, resolve);
      timer = setTimeout(() => resolve(undefined), PATIENCE_MS);
      worker.send(question, (error) => {
        if (error) resolve(undefined);
      });
    });
    clearTimeout(timer);
    this.waiting.delete(place);
    if (answer && !worker.isDead()) this.last.set(worker.id, answer.process);
    return answer;
  }

  private async bury(worker: Worker): Promise<void> {
    this.serving.delete(worker.id);
    for (const [place, resolve] of this.waiting) {
      if (place.startsWith(`${worker.id}:`)) resolve(undefined);
    }
    const counted = this.last.get(worker.id)?.filter(({ type }) => COUNTS.has(String(type)));
    this.last.delete(worker.id);
    if (!counted) return;
    const all = AggregatorRegistry.aggregate([this.ofTheDead, counted]);
    this.ofTheDead = await all.getMetricsAsJSON();
  }
}

/** Kinds of series that only grow. */
const COUNTS: ReadonlySet<string> = new Set(['counter', 'histogram']);

function placeOf(worker: Worker, question: number): string {
  return `${worker.id}:${question}`;
}

function isQuestion(message: unknown): message is Question {
  return (message as Partial<Question> | null)?.kind === 'metrics?';
}

function isAnswer(message: unknown): message is Answer {
  return (message as Partial<Answer> | null)?.kind === 'metrics';
}
