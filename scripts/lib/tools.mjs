import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { capture, isInstalled, say } from './program.mjs';

/**
 * A program of the system that fairlead, its tests or its benchmarks start.
 * @typedef {object} Tool
 * @property {string} command
 * @property {readonly string[]} packages Debian's name; where releases differ, the first one known is taken
 * @property {string} purpose what does not work without it
 * @property {readonly Task[]} neededBy
 * @property {string} [applet] a part that not every build of it has
 */
/** @typedef {'start' | 'test' | 'bench'} Task */

/** @type {readonly Tool[]} */
export const TOOLS = [
  {
    command: 'nft',
    packages: ['nftables'],
    purpose: 'virtual addresses and published ports',
    neededBy: ['start', 'test', 'bench'],
  },
  {
    command: 'ip',
    packages: ['iproute2'],
    purpose: "this host's addresses, routes and bridges",
    neededBy: ['start', 'test', 'bench'],
  },
  {
    command: 'conntrack',
    packages: ['conntrack'],
    purpose: 'ending connections to endpoints that are gone',
    neededBy: ['start', 'test', 'bench'],
  },
  { command: 'dockerd', packages: ['docker.io'], purpose: 'tests with real containers', neededBy: ['test', 'bench'] },
  {
    command: 'docker',
    packages: ['docker-cli', 'docker.io'],
    purpose: 'tests with real containers',
    neededBy: ['test'],
  },
  {
    command: 'iptables',
    packages: ['iptables'],
    purpose: "tests beside Docker's firewall, and a design to compare with",
    neededBy: ['test', 'bench'],
  },
  {
    command: 'busybox',
    packages: ['busybox-static'],
    purpose: "the test containers' programs",
    neededBy: ['test', 'bench'],
    applet: 'httpd',
  },
  { command: 'dig', packages: ['bind9-dnsutils'], purpose: 'tests of DNS', neededBy: ['test'] },
  { command: 'curl', packages: ['curl'], purpose: 'tests of HTTP', neededBy: ['test'] },
  { command: 'ps', packages: ['procps'], purpose: 'tests that nothing is left running', neededBy: ['test'] },
  {
    command: 'sysctl',
    packages: ['procps'],
    purpose: 'kernel parameters in test networks',
    neededBy: ['test', 'bench'],
  },
  { command: 'wrk', packages: ['wrk'], purpose: 'measuring connections per second', neededBy: ['bench'] },
];

/** What dpkg asks before it starts a service; 101 is "do not". */
const SERVICE_POLICY = '/usr/sbin/policy-rc.d';
const DOCKER_UNITS = ['docker.socket', 'docker.service', 'containerd.service'];
const APT_ENVIRONMENT = { DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_SUSPEND: '1' };

/**
 * Installs the system tools a task lacks, where root and apt-get are there to do it; else names them and goes on:
 * whatever does not need them still works.
 * @param {Task} task
 */
export async function ensureTools(task) {
  const missing = await missingTools(task);
  if (missing.length === 0) return;
  for (const tool of missing) say(`${tool.command} (package ${tool.packages.at(-1)}) is missing, for ${tool.purpose}`);
  if (!isInstalled('apt-get')) {
    say('going on without: there is no apt-get here to install them with');
    return;
  }
  if (process.getuid?.() !== 0) {
    say(`going on without; to have them: sudo apt-get install ${(await packageNames(missing)).join(' ')}`);
    return;
  }
  if (!hasPackageLists()) await aptGet(['update']);
  const packages = await packageNames(missing);
  say(`installing ${packages.join(', ')} with apt-get`);
  await withoutServices(packages, () => install(packages));
  const still = await missingTools(task);
  if (still.length > 0) say(`going on without ${still.map(({ command }) => command).join(', ')}`);
}

/** @param {Task} task */
async function missingTools(task) {
  const present = await Promise.all(TOOLS.map(isPresent));
  return TOOLS.filter((tool, index) => tool.neededBy.includes(task) && !present[index]);
}

/** @param {Tool} tool */
async function isPresent({ command, applet }) {
  if (!isInstalled(command)) return false;
  return applet === undefined || (await capture(command, ['--list'])).output.split('\n').includes(applet);
}

/** @param {readonly Tool[]} tools */
async function packageNames(tools) {
  /** @type {Set<string>} */
  const names = new Set();
  for (const { packages } of tools) {
    const known = await Promise.all(
      packages.map(async (name) => (await capture('apt-cache', ['show', '--no-all-versions', name])).code === 0),
    );
    const name = packages.find((_, index) => known[index]) ?? packages.at(-1);
    if (name !== undefined) names.add(name);
  }
  return [...names];
}

/** @param {readonly string[]} packages */
async function install(packages) {
  const args = ['install', '--yes', '--no-install-recommends', ...packages];
  // Lists older than the mirror's last change name files it no longer has.
  if ((await aptGet(args)).code === 0 || (await aptGet(['update'])).code !== 0) return;
  const { code, output } = await aptGet(args);
  if (code !== 0) say(`apt-get failed:\n${output.trim()}`);
}

/** @param {readonly string[]} args */
const aptGet = (args) =>
  capture('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=300', ...args], { ...process.env, ...APT_ENVIRONMENT });

function hasPackageLists() {
  const folder = '/var/lib/apt/lists';
  return existsSync(folder) && readdirSync(folder).some((file) => file.includes('_Packages'));
}

/**
 * Keeps packages from starting their services, now and at the next boot: a Docker Engine that only the tests asked for
 * would put rules of its own on this host.
 * @param {readonly string[]} packages
 * @param {() => Promise<void>} install
 */
async function withoutServices(packages, install) {
  const isOurs = !existsSync(SERVICE_POLICY);
  if (isOurs) writeFileSync(SERVICE_POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    await install();
  } finally {
    if (isOurs) rmSync(SERVICE_POLICY);
  }
  if (packages.includes('docker.io') && existsSync('/run/systemd/system')) {
    await capture('systemctl', ['disable', ...DOCKER_UNITS]);
    say('Docker is installed but not started, nor at boot; to have it: systemctl enable --now docker');
  }
}
