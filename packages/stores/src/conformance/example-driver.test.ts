import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import ts from 'typescript';
import type { StoreType } from '../store-driver';
import { describeStoreConformance } from './describe-store-conformance';

const SOURCES = path.join(__dirname, '..');
const GUIDE = path.join(SOURCES, '../../../ARCHITECTURE.md');

/** The driver that ARCHITECTURE.md shows. */
const TEXT = /```ts\n(import \{ open \}.*?)```/s.exec(readFileSync(GUIDE, 'utf8'))?.[1] ?? '';

function exampleStore(directory: string): StoreType {
  const file = path.join(directory, 'golden-driver.ts');
  // As if it stood in a folder of `drivers/`.
  const placed = TEXT.replaceAll(`'../../`, `'${SOURCES}/`).replaceAll(
    `'../filesystem/`,
    `'${SOURCES}/drivers/filesystem/`,
  );
  writeFileSync(file, placed);
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- it is written only now
  return (require(file) as { goldenStore: StoreType }).goldenStore;
}

describe('the example of a driver', () => {
  const place = mkdtempSync(path.join(os.tmpdir(), 'glance-example-'));
  const store = exampleStore(place);
  afterAll(() => rm(place, { recursive: true }));

  it('is what the compiler takes', () => {
    const file = path.join(SOURCES, 'drivers/golden/golden-driver.ts');
    const options: ts.CompilerOptions = {
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      exactOptionalPropertyTypes: true,
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.Node16,
      moduleResolution: ts.ModuleResolutionKind.Node16,
      types: ['node'],
    };
    const host = ts.createCompilerHost(options);
    const { fileExists, getSourceFile } = host;
    host.fileExists = (name) => name === file || fileExists(name);
    host.getSourceFile = (name, ...rest) =>
      name === file
        ? ts.createSourceFile(name, TEXT, ts.ScriptTarget.ES2022)
        : getSourceFile(name, ...rest);
    const program = ts.createProgram([file], options, host);
    const source = program.getSourceFile(file);
    const problems = [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source),
    ];
    expect(
      problems.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')),
    ).toEqual([]);
  });

  it('is a kind of store like any other', () => {
    expect(Object.keys(store.options)).toEqual(['golden_store_directory']);
  });

  describeStoreConformance('the example of ARCHITECTURE.md', {
    capabilities: { add: false, delete: false, partialRead: true, list: false },
    boundedMemory: true,
    forgedLocations: ['golden://', 'golden://../etc/passwd', 'golden://a/b'],
    async create() {
      const directory = await mkdtemp(path.join(os.tmpdir(), 'glance-golden-'));
      const options = { golden_store_directory: directory };
      const driver = await store.create(options, { storeId: 'golden', warn: () => undefined });
      return {
        driver,
        remains: () => Promise.resolve([]),
        openReaders: () => Promise.resolve(0),
        async takeAway() {
          await rename(directory, `${directory}.away`);
          await writeFile(directory, 'not a directory');
        },
        async place(bytes) {
          const name = randomUUID();
          await writeFile(path.join(directory, name), bytes);
          return `golden://${name}`;
        },
        async dispose() {
          await rm(directory, { recursive: true, force: true });
          await rm(`${directory}.away`, { recursive: true, force: true });
        },
      };
    },
  });
});
