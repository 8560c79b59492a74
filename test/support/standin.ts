import { chmod, cp, mkdir, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execOk } from '../../src/lib/exec.ts';
import type { Dockerd } from './dockerd.ts';
import { findBusybox, layBusybox, layNode, layProgram } from './images.ts';

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));
const CACHE = '/var/cache/npm';

/** The base image of the Dockerfile, where it says so. */
export async function baseImage(): Promise<string> {
  const [, base] = /^ARG BASE=(\S+)$/m.exec(await readFile(join(CHECKOUT, 'Dockerfile'), 'utf8')) ?? [];
  if (base === undefined) throw new Error('the Dockerfile names no base image');
  return base;
}

/**
 * Imports an image under the base image's name, made of this machine's own Node, npm, nft, ip, conntrack and iptables.
 * In its npm cache is everything the lockfile names, so that a build needs no network.
 */
export async function importStandIn(docker: Dockerd): Promise<void> {
  const busybox = await findBusybox();
  if (busybox === undefined) throw new Error('no static busybox');
  const registry = (await execOk('npm', ['config', 'get', 'registry'])).stdout.trim();
  const lay = async (root: string) => {
    await layBusybox(root, busybox);
    await chmod(join(root, 'tmp'), 0o1777);
    await mkdir(join(root, 'usr/bin'), { recursive: true });
    await symlink('/bin/env', join(root, 'usr/bin/env'));
    await layNode(root);
    await layNpm(root);
    await fillCache(join(root, CACHE));
    for (const program of ['nft', 'ip', 'conntrack', 'iptables', 'ip6tables']) await layTool(root, program);
    await layExtensions(root);
  };
  await docker.importImage(await baseImage(), lay, [
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    `ENV npm_config_cache=${CACHE} npm_config_offline=true npm_config_registry=${registry}`,
  ]);
}

async function layTool(root: string, program: string): Promise<void> {
  await layProgram(root, await find(program), `/usr/sbin/${program}`);
}

const find = async (program: string): Promise<string> => (await execOk('which', [program])).stdout.trim();

async function layNpm(root: string): Promise<void> {
  const cli = await realpath(await find('npm'));
  const home = dirname(dirname(cli));
  await cp(home, join(root, 'usr/lib/npm'), { recursive: true });
  await symlink('/usr/lib/npm/bin/npm-cli.js', join(root, 'usr/bin/npm'));
}

/** Has npm fetch everything that the Dockerfile's `npm ci` will ask for. */
async function fillCache(cache: string): Promise<void> {
  const folder = `${cache}.fill`;
  await mkdir(folder, { recursive: true });
  for (const file of ['package.json', 'package-lock.json']) await cp(join(CHECKOUT, file), join(folder, file));
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', `--prefix=${folder}`, `--cache=${cache}`];
  await execOk('npm', args, { timeoutMs: 300_000 });
  await rm(folder, { recursive: true });
}

/** The matches and targets iptables loads at run time, and the names `/etc` gives to numbers. */
async function layExtensions(root: string): Promise<void> {
  const { stdout } = await execOk('find', ['/usr/lib', '-type', 'd', '-name', 'xtables']);
  for (const folder of stdout.trim().split('\n')) {
    for (const file of await readdir(folder)) if (file.endsWith('.so')) await layProgram(root, join(folder, file));
  }
  await writeFile(join(root, 'etc/protocols'), 'tcp 6 TCP\nudp 17 UDP\n');
}
