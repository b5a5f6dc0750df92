/** What a service tells on its page for Prometheus. */
export class Scrape {
  /** Names of series, those without a value yet too, and of what histograms are made of. */
  readonly names = new Set<string>();
  private readonly samples: { name: string; labels: Record<string, string>; value: number }[] = [];

  private constructor(readonly text: string) {
    for (const line of text.split('\n')) {
      const [, described, kind] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
      if (described !== undefined) {
        const parts = kind === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
        for (const part of parts) this.names.add(`${described}${part}`);
      }
      const [, name, labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      if (name === undefined || line.startsWith('#')) continue;
      const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
      this.samples.push({
        name,
        labels: Object.fromEntries(pairs.map(([, key, text]) => [key!, text!])),
        value: Number(value),
      });
    }
  }

  static async of(port: number): Promise<Scrape> {
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${answer.status}: ${text}`);
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    return new Scrape(text);
  }

  /** Sum of the samples that have these labels, and maybe others. */
  value(name: string, labels: Record<string, string> = {}): number {
    const chosen = this.samples.filter(
      (sample) =>
        sample.name === name &&
        Object.entries(labels).every(([label, text]) => sample.labels[label] === text),
    );
    return chosen.reduce((sum, sample) => sum + sample.value, 0);
  }

  /** Every value that a label has. */
  labelValues(label: string): Set<string> {
    return new Set(this.samples.flatMap(({ labels }) => labels[label] ?? []));
  }
}
