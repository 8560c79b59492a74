import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import { DockerSource } from '../containers/docker/source.ts';
import { ServicesFileSource } from '../containers/file.ts';
import { Demo } from '../demo/demo.ts';
import type { Clock } from '../lib/clock.ts';
import { FairleadError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import type { SourceState } from '../model/source.ts';
import { leftContainers } from '../registry/leftovers.ts';
import type { TablePublisher } from '../registry/publisher.ts';

export interface SourcesOptions {
  readonly config: Config;
  readonly demo: boolean;
  readonly clock: Clock;
  readonly log: Logger;
  readonly nodeAddress: () => string;
  readonly publish: (source: string, state: SourceState) => void;
}

/** Everything that declares endpoints on this host. */
export interface Sources {
  readonly names: readonly string[];
  readonly docker: DockerSource | undefined;
  run(publisher: TablePublisher, signal: AbortSignal): Promise<void>;
}

export function createSources({ config, demo, clock, log, nodeAddress, publish }: SourcesOptions): Sources {
  const publishAs = (source: string) => (state: SourceState) => publish(source, state);
  const docker =
    config.containers.docker.kind === 'off'
      ? undefined
      : new DockerSource({
          endpoint: `unix://${config.containers.docker.path}`,
          nodeAddress,
          clock,
          log: log.child({ part: 'docker' }),
          publish: publishAs('docker'),
          resyncMs: config.mesh.resync,
        });
  const file =
    config.servicesFile === ''
      ? undefined
      : new ServicesFileSource({ path: config.servicesFile, clock, log, publish: publishAs('servicesFile') });
  const servers = demo ? new Demo({ clock, log, publish: publishAs('demo') }) : undefined;
  return {
    names: [
      'configuration',
      ...(docker ? ['docker'] : []),
      ...(file ? ['servicesFile'] : []),
      ...(servers ? ['demo'] : []),
    ],
    docker,
    run: async (publisher, signal) => {
      publish('configuration', { workloads: config.services, problems: [] });
      await Promise.all([
        docker?.run(signal),
        docker && goOnWithout({ docker, publisher, config, clock, signal }),
        file?.run(signal),
        servers?.run(signal),
      ]);
    },
  };
}

interface WithoutDocker {
  readonly docker: DockerSource;
  readonly publisher: TablePublisher;
  readonly config: Config;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const LOOK_MS = 20;

/**
 * Docker did not answer at the start: its containers most likely run on (a daemon being restarted), so the agent goes
 * on with those its predecessor wrote down. Unless the host has booted since: then none of them can be running.
 */
async function goOnWithout({ docker, publisher, config, clock, signal }: WithoutDocker): Promise<void> {
  const sameBoot = await rememberBoot(config.dataDir);
  while (!signal.aborted) {
    const { lastSync, error } = docker.status();
    if (lastSync !== undefined) return;
    if (error !== undefined) break;
    await clock.sleep(LOOK_MS, signal);
  }
  if (signal.aborted) return;
  const stopped = new Promise<undefined>((resolve) => signal.addEventListener('abort', () => resolve(undefined)));
  const picture = await Promise.race([publisher.firstPicture, stopped]);
  if (picture === undefined || docker.status().lastSync !== undefined) return;
  const workloads = sameBoot ? leftContainers(picture, config.node.name) : [];
  publisher.setSource('docker', { workloads, problems: [] });
}

/** Has this host not been booted since the last call with this folder? The kernel makes a new id at every boot. */
async function rememberBoot(dataDir: string): Promise<boolean> {
  const path = join(dataDir, 'boot-id');
  const [now, before] = await Promise.all([
    readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    readFile(path, 'utf8').catch(() => ''),
  ]);
  // On a full disk the worst is that the next agent starts without the containers of this one.
  if (now !== before) await writeFile(path, now).catch(() => {});
  return now === before;
}

/** Makes the folder for what must outlive the agent, readable by its owner only: it holds secrets. */
export async function makeDataDir(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new FairleadError('data-dir-unusable', `the data folder ${path} cannot be made`, {
      remedy: 'set dataDir to a folder that this user may write',
      cause,
    });
  }
}
