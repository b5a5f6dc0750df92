import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { eventually, freePorts, ROOT } from './support/deployment';
import { describeWith } from './support/installed';
import {
  buildManifests,
  lostFields,
  throughKubectl,
  type Container,
  type Manifest,
  type PodTemplate,
} from './support/kubernetes';

jest.setTimeout(90_000);

/** deploy/kubernetes, built by the real kubectl; its services started with what it mounts. */

const run = promisify(execFile);

/** 1.21 and newer have this flag. */
const NEW_ENOUGH = 'kubectl kustomize --help | grep -q enable-helm';

const describeKubernetes = describeWith('kubectl 1.21', 'sh', '-c', NEW_ENOUGH);

describeKubernetes.each(['base', 'overlays/s3'])('the manifests of %s', (variant) => {
  let manifests: Manifest[];

  beforeAll(async () => {
    manifests = await buildManifests(variant);
  });

  const ofKind = (kind: string) => manifests.filter((each) => each.kind === kind);
  const names = (kind: string) => ofKind(kind).map((each) => each.metadata.name);
  const withPods = () =>
    manifests.filter((each): each is Manifest & { spec: { template: PodTemplate } } =>
      Boolean(each.spec?.template),
    );
  const named = (kind: string, name: string): Manifest => {
    const found = ofKind(kind).find((each) => each.metadata.name === name);
    if (found === undefined) throw new Error(`There is no ${kind} ${name}`);
    return found;
  };
  const podsOf = (name: string) => named('Deployment', name).spec!.template!;

  it('are two services, a migration, and what goes with them, in one namespace', () => {
    expect(names('Deployment')).toEqual(['glance-api', 'glance-registry']);
    expect(names('Service')).toEqual(['glance-api', 'glance-registry']);
    expect(names('PodDisruptionBudget')).toEqual(['glance-api', 'glance-registry']);
    expect(names('HorizontalPodAutoscaler')).toEqual(['glance-api']);
    expect(names('NetworkPolicy')).toEqual(['glance-registry']);
    expect(names('Job')).toEqual(['glance-db-sync']);
    expect(names('PersistentVolumeClaim')).toEqual(variant === 'base' ? ['glance-images'] : []);
    const others = manifests.filter(({ kind }) => kind !== 'Namespace');
    expect([...new Set(others.map(({ metadata }) => metadata.namespace))]).toEqual(['glance']);
    expect(names('Namespace')).toEqual(['glance']);
  });

  it('have no field in their pods that Kubernetes does not know', async () => {
    const misspelt = structuredClone(named('Deployment', 'glance-api'));
    misspelt.spec!['replicass'] = 2;
    expect(lostFields(misspelt, await throughKubectl(misspelt))).toEqual(['.spec.replicass']);
    for (const manifest of withPods()) {
      expect(lostFields(manifest, await throughKubectl(manifest))).toEqual([]);
    }
  });

  it('name only what is there: configuration, secrets, volumes, claims', () => {
    for (const { spec } of withPods()) {
      const { containers, volumes } = spec.template.spec;
      for (const { envFrom, volumeMounts } of containers) {
        for (const { secretRef } of envFrom) expect(names('Secret')).toContain(secretRef.name);
        const mounted = volumeMounts.map(({ name }) => name).sort();
        expect(mounted).toEqual(volumes.map(({ name }) => name).sort());
      }
      for (const { persistentVolumeClaim, projected } of volumes) {
        if (persistentVolumeClaim) {
          expect(names('PersistentVolumeClaim')).toContain(persistentVolumeClaim.claimName);
        }
        for (const { configMap, secret } of projected?.sources ?? []) {
          if (configMap) expect(names('ConfigMap')).toContain(configMap.name);
          const keys = secret?.items.map(({ key }) => key) ?? [];
          for (const key of keys) {
            expect(Object.keys(named('Secret', secret!.name).data!)).toContain(key);
          }
        }
      }
    }
  });

  it('select the pods that they mean, and ports that these have', () => {
    for (const name of ['glance-api', 'glance-registry']) {
      const { labels } = podsOf(name).metadata;
      const selectors = [
        named('Service', name).spec!.selector,
        (named('Deployment', name).spec!.selector as { matchLabels: object }).matchLabels,
        (named('PodDisruptionBudget', name).spec!.selector as { matchLabels: object }).matchLabels,
      ];
      const others = withPods().filter(({ metadata }) => metadata.name !== name);
      for (const selector of selectors) {
        expect(labels).toMatchObject(selector!);
        for (const other of others) {
          expect(other.spec.template.metadata.labels).not.toMatchObject(selector!);
        }
      }
      const [container] = podsOf(name).spec.containers;
      const [port] = named('Service', name).spec!.ports!;
      expect(container!.ports!.map((each) => each.name)).toContain(port!.targetPort);
      expect(container!.ports![0]!.containerPort).toBe(port!.port);
    }
    const autoscaler = named('HorizontalPodAutoscaler', 'glance-api').spec!;
    expect(autoscaler['scaleTargetRef']).toMatchObject({ kind: 'Deployment', name: 'glance-api' });
    // The autoscaler alone says how many.
    expect(named('Deployment', 'glance-api').spec!['replicas']).toBeUndefined();
  });

  it('let only apis reach the registry', () => {
    const policy = named('NetworkPolicy', 'glance-registry').spec!;
    expect(podsOf('glance-registry').metadata.labels).toMatchObject(
      policy.podSelector!.matchLabels,
    );
    expect(policy['policyTypes']).toEqual(['Ingress']);
    const rules = policy['ingress'] as { from: { podSelector: { matchLabels: object } }[] }[];
    expect(rules).toHaveLength(1);
    expect(rules[0]!.from).toHaveLength(1);
    const { matchLabels } = rules[0]!.from[0]!.podSelector;
    const allowed = withPods().filter(({ spec }) => {
      const { labels } = spec.template.metadata;
      return Object.entries(matchLabels).every(([label, value]) => labels[label] === value);
    });
    expect(allowed.map(({ metadata }) => metadata.name)).toEqual(['glance-api']);
    expect(named('Service', 'glance-registry').spec!['type']).toBe('ClusterIP');
  });

  it('run as nobody in particular, with nothing to write to but their volumes', () => {
    for (const { spec } of withPods()) {
      const pod = spec.template.spec;
      expect(pod.securityContext).toMatchObject({
        runAsNonRoot: true,
        runAsUser: 1000,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      for (const container of pod.containers) {
        expect(container).toMatchObject({
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
        });
      }
    }
  });

  it('give pods the time that their own stop may take', () => {
    for (const name of ['glance-api', 'glance-registry']) {
      const text = configText(name);
      const seconds = (option: string) =>
        Number(new RegExp(`^${option} = (\\d+)$`, 'm').exec(text)?.[1]);
      const needed = seconds('shutdown_delay') + seconds('graceful_shutdown_timeout') + 20;
      expect(podsOf(name).spec.terminationGracePeriodSeconds).toBeGreaterThan(needed);
    }
  });

  const configText = (name: string): string => {
    const [map] = manifests.filter(
      ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name.startsWith(`${name}-config`),
    );
    return map!.data![`${name}.conf`]!;
  };

  it('start services that answer their probes', async () => {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'glance-pods-'));
    const services: ChildProcess[] = [];
    const pods = new PodDirectory(directory, manifests);
    try {
      const [apiPort, registryPort] = await freePorts(2);
      const overrides = {
        GLANCE_REGISTRY__DEFAULT__BIND_PORT: String(registryPort),
        GLANCE_REGISTRY__DATABASE__CONNECTION: `sqlite:///${directory}/glance.sqlite`,
        GLANCE_API__DEFAULT__BIND_PORT: String(apiPort),
        GLANCE_API__DEFAULT__REGISTRY_HOST: '127.0.0.1',
        GLANCE_API__DEFAULT__REGISTRY_PORT: String(registryPort),
      };
      const migration = await pods.command(
        named('Job', 'glance-db-sync').spec!.template!,
        overrides,
      );
      await run(process.execPath, migration.argv, { env: migration.env });
      for (const name of ['glance-registry', 'glance-api']) {
        const { argv, env, container } = await pods.command(podsOf(name), overrides);
        const child = spawn(process.execPath, argv, { env, stdio: ['ignore', 'pipe', 'pipe'] });
        services.push(child);
        let log = '';
        for (const stream of [child.stdout, child.stderr]) {
          stream.on('data', (chunk: Buffer) => {
            log += chunk.toString();
          });
        }
        const port = name === 'glance-api' ? apiPort! : registryPort!;
        const ask = (probe: 'startup' | 'liveness' | 'readiness') =>
          fetch(`http://127.0.0.1:${port}${container[`${probe}Probe`]!.httpGet.path}`);
        await eventually(async () => {
          if (child.exitCode !== null) throw new Error(log);
          expect((await ask('startup')).status).toBe(200);
        }, 30_000);
        expect((await ask('liveness')).status).toBe(200);
        const readiness = await ask('readiness');
        // Neither Keystone nor S3 is here: it may be red, but it is that route.
        expect(await readiness.json()).toMatchObject({ ready: expect.any(Boolean) as boolean });
        if (name === 'glance-registry') {
          await eventually(async () => expect((await ask('readiness')).status).toBe(200));
        }
        // Nothing of its configuration is unknown to it.
        expect(log).toContain(' starts');
        expect(log).not.toMatch(/is not known|is not used|has no effect/);
      }
    } finally {
      for (const child of services) {
        const exited = new Promise((resolve) => child.once('exit', resolve));
        if (child.exitCode === null && child.kill('SIGKILL')) await exited;
      }
      await rm(directory, { recursive: true, force: true });
    }
  });
});

/** What a kubelet does: the files and the variables of a container, and its command with them. */
class PodDirectory {
  constructor(
    private readonly directory: string,
    private readonly manifests: readonly Manifest[],
  ) {}

  async command(
    pod: PodTemplate,
    overrides: Record<string, string>,
  ): Promise<{ argv: string[]; env: NodeJS.ProcessEnv; container: Container }> {
    const [container] = pod.spec.containers;
    const place = (name: string) => path.join(this.directory, container!.name, name);
    for (const { name, mountPath } of container!.volumeMounts) {
      await mkdir(place(mountPath), { recursive: true });
      const volume = pod.spec.volumes.find((each) => each.name === name)!;
      for (const { configMap, secret } of volume.projected?.sources ?? []) {
        for (const [file, text] of Object.entries(configMap ? this.data(configMap.name) : {})) {
          // The one place that a container has in its own file system is another here.
          const moved = text.replace(/(= |file:\/\/)\/(?=etc|var)/g, `$1${place('')}/`);
          await writeFile(place(`${mountPath}/${file}`), moved);
        }
        for (const item of secret?.items ?? []) {
          const target = place(`${mountPath}/${item.path}`);
          await mkdir(path.dirname(target), { recursive: true });
          await writeFile(target, Buffer.from(this.data(secret!.name)[item.key]!, 'base64'));
        }
      }
    }
    const variables = container!.envFrom.flatMap(({ secretRef }) =>
      Object.entries(this.data(secretRef.name)).map(([name, value]) => [
        name,
        Buffer.from(value, 'base64').toString(),
      ]),
    );
    const program = container!.command[0]!;
    const package_ = program === 'glance-manage' ? 'glance-manage' : program;
    return {
      argv: [
        path.join(ROOT, 'packages', package_, 'bin', `${program}.js`),
        ...container!.args.map((arg) => (arg.startsWith('/') ? place(arg) : arg)),
      ],
      env: {
        PATH: process.env['PATH'],
        ...(Object.fromEntries(variables) as Record<string, string>),
        ...overrides,
      },
      container: container!,
    };
  }

  private data(name: string): Record<string, string> {
    const found = this.manifests.find(
      ({ metadata, kind }) => metadata.name === name && (kind === 'ConfigMap' || kind === 'Secret'),
    );
    return found!.data!;
  }
}
