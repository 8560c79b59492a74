import { copyFile, mkdir, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { exec, execOk } from '../../src/lib/exec.ts';

/** Images are made from this machine's own files: no registry is reachable where the tests run. */
export const BUSYBOX = 'fairlead-test/busybox';
export const NODE = 'fairlead-test/node';

/** The static busybox of package `busybox-static`; undefined where it is not installed. */
export async function findBusybox(): Promise<string | undefined> {
  for (const path of ['/usr/bin/busybox', '/bin/busybox']) {
    const { stdout } = await exec(path, ['--list']).catch(() => ({ stdout: '' }));
    if (stdout.includes('httpd')) return path;
  }
  return undefined;
}

/** Fills `root` with busybox, a link for each of its commands, and what programs expect in `/etc` and `/tmp`. */
export async function layBusybox(root: string, busybox: string): Promise<void> {
  for (const folder of ['bin', 'etc', 'tmp', 'www']) await mkdir(join(root, folder), { recursive: true });
  await copyFile(busybox, join(root, 'bin/busybox'));
  const { stdout } = await execOk(busybox, ['--list']);
  for (const command of stdout.split('\n')) {
    if (command !== '' && command !== 'busybox') await symlink('busybox', join(root, 'bin', command));
  }
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  await writeFile(join(root, 'etc/group'), 'root:x:0:\n');
}

/** Adds the running Node as `/usr/bin/node`, and what it is linked with. */
export async function layNode(root: string): Promise<void> {
  await layProgram(root, process.execPath, '/usr/bin/node');
}

/** Adds a program at a path of the image, and the shared libraries it is linked with where its loader looks for them. */
export async function layProgram(root: string, program: string, path = program): Promise<void> {
  await layFile(root, program, path);
  const { stdout } = await exec('ldd', [program]);
  for (const [, library] of stdout.matchAll(/(\/\S+) \(0x/g)) if (library !== undefined) await layFile(root, library);
}

/** Adds a file, itself where it is a link. */
async function layFile(root: string, file: string, path = file): Promise<void> {
  const target = join(root, path);
  await mkdir(dirname(target), { recursive: true });
  await rm(target, { force: true });
  await copyFile(await realpath(file), target);
}
