import { PassThrough } from 'node:stream';
import { CommanderError } from 'commander';
import { beforeEach, describe, expect, test } from 'vitest';
import { exitCodeOf } from '../../../src/cli/exit-code.ts';
import { createProgram } from '../../../src/cli/program.ts';
import type { AgentOptions, StopReason } from '../../../src/cli/runtime.ts';
import { Terminal } from '../../../src/cli/terminal.ts';
import { ConfigError } from '../../../src/config/load.ts';
import type { Config } from '../../../src/config/schema.ts';
import { FairleadError } from '../../../src/lib/errors.ts';
import { ManualClock } from '../../support/clock.ts';

interface Ran {
  readonly config: Config;
  readonly options: AgentOptions;
  readonly onTerminate: StopReason;
}

let printed = '';
let ran: Ran | undefined;
let cleaned: Config | undefined;

beforeEach(() => {
  printed = '';
  ran = undefined;
  cleaned = undefined;
});

/** Runs a command line against a process, and an agent, that only remember what they were asked. */
async function run(
  args: readonly string[],
  environment: Record<string, string> = {},
  removed: string[] = [],
): Promise<void> {
  const stdout = new PassThrough().on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  let onTerminate: StopReason = 'stop';
  const program = createProgram({
    environment,
    terminal: new Terminal({ stdout, stderr: new PassThrough(), environment }),
    clock: new ManualClock(),
    takeOver: (reason) => {
      onTerminate = reason;
      return new AbortController().signal;
    },
    runAgent: async (config, options) => {
      ran = { config, options, onTerminate };
    },
    cleanupMesh: async (config) => {
      cleaned = config;
      return removed;
    },
  });
  const quiet = {
    writeErr: () => {},
    writeOut: (text: string) => {
      printed += text;
    },
  };
  for (const command of [program, ...program.commands, ...program.commands.flatMap(({ commands }) => commands)]) {
    command.configureOutput(quiet);
  }
  await program.parseAsync(args, { from: 'user' });
}

describe('agent', () => {
  test('runs with the defaults', async () => {
    await run(['agent']);
    expect(ran).toMatchObject({ onTerminate: 'stop', options: { demo: false }, config: { log: { level: 'info' } } });
  });

  test('takes what the command line and the environment say', async () => {
    await run(['agent', '--demo', '--leave', '--set', 'mesh.backend=off', '--set', 'dns.ttl.vip=5'], {
      FAIRLEAD_DNS_TTL_VIP: '9',
      FAIRLEAD_LOG_LEVEL: 'error',
    });
    expect(ran).toMatchObject({
      onTerminate: 'leave',
      options: { demo: true },
      config: { mesh: { backend: 'off' }, dns: { ttl: { vip: 5 } }, log: { level: 'error' } },
    });
  });

  test('does not start with a configuration that is wrong', async () => {
    await expect(run(['agent', '--set', 'mesh.backend=of'])).rejects.toThrow('did you mean "off"?');
    expect(ran).toBeUndefined();
  });
});

describe('check-config', () => {
  test('says so when there is nothing to say', async () => {
    await run(['check-config']);
    expect(printed).toBe('the configuration is valid\n');
  });

  test('throws everything at once', async () => {
    const error = await run(['check-config', '--set', 'log.level=x', '--set', 'a=b']).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ConfigError);
    expect(exitCodeOf(error)).toBe(2);
    expect((error as ConfigError).errors).toHaveLength(2);
  });
});

test.each([
  [[], 'nothing to remove\n'],
  [['table ip fairlead', 'rule 100'], 'table ip fairlead\nrule 100\n'],
])('mesh cleanup removes %j and says so', async (removed, said) => {
  await run(['mesh', 'cleanup', '--set', 'node.name=n7'], {}, removed);
  expect(printed).toBe(said);
  expect(cleaned?.node.name).toBe('n7');
});

test('version names what a bug report needs', async () => {
  await run(['version'], { FAIRLEAD_MESH_BACKEND: 'off' });
  expect(printed).toMatch(/^fairlead \d+\.\d+\.\d+\nnode {5}\d+\.\d+\.\d+\nkernel {3}\S+\nbackend {2}off\n$/);
});

describe('exit codes', () => {
  test.each<[string, readonly string[], number]>([
    ['help', ['--help'], 0],
    ['the version', ['--version'], 0],
    ['no command', [], 2],
    ['an unknown command', ['agnet'], 2],
    ['an unknown option', ['agent', '--dmo'], 2],
    ['an argument too many', ['agent', 'x'], 2],
    ['an option without its value', ['agent', '--config'], 2],
  ])('%s', async (_, args, code) => {
    const error = await run(args).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CommanderError);
    expect(exitCodeOf(error)).toBe(code);
  });

  test.each([
    [new FairleadError('usage', ''), 2],
    [new FairleadError('bad-request', ''), 2],
    [new FairleadError('dns-name', ''), 2],
    [new FairleadError('dns-type', ''), 2],
    [new FairleadError('agent-unreachable', ''), 3],
    [new FairleadError('exec-missing', ''), 1],
    [new Error('any'), 1],
    ['any', 1],
  ])('%s', (error, code) => {
    expect(exitCodeOf(error)).toBe(code);
  });
});

test('every command of the contract is there', async () => {
  await run(['--help']).catch(() => {});
  for (const name of [
    'agent',
    'check-config',
    'status',
    'services',
    'nodes',
    'resolve',
    'drain',
    'undrain',
    'mesh',
    'version',
  ]) {
    expect(printed).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
  }
});
