import { describe, expect, test } from 'vitest';
import { ServicesList } from '../../../src/containers/services-list.ts';

const entry = (name: string, address = '10.1.1.2') =>
  `- name: ${name}\n  ports: [{ port: 80 }]\n  endpoints:\n    - { id: ${name}-1, address: ${address}, port: 3000 }\n    - { id: ${name}-2, address: 10.1.1.9, port: 3000 }\n`;
const ids = (workloads: readonly { readonly localId: string }[]) => workloads.map(({ localId }) => localId);

describe('shapes of one list', () => {
  test.each([
    ['block', entry('a') + entry('b')],
    ['a marker and comments', `---\n# services\n\n${entry('a')}\n# next\n${entry('b')}# end\n`],
    ['an indented list', (entry('a') + entry('b')).replaceAll(/^/gm, '  ').trimEnd()],
    ['Windows line ends', (entry('a') + entry('b')).replaceAll('\n', '\r\n')],
    [
      'an anchor used by a neighbour',
      entry('a').replace('[{ port: 80 }]', '&p [{ port: 80 }]') + entry('b').replace('[{ port: 80 }]', '*p'),
    ],
    ['a dash alone', (entry('a') + entry('b')).replaceAll(/^- name/gm, '-\n  name')],
    [
      'JSON',
      JSON.stringify(
        ['a', 'b'].map((name) => ({
          name,
          ports: [{ port: 80 }],
          endpoints: [
            { id: `${name}-1`, address: '10.1.1.2', port: 3000 },
            { id: `${name}-2`, address: '10.1.1.9', port: 3000 },
          ],
        })),
      ),
    ],
    [
      'a flow list that is not JSON',
      `[${['a', 'b'].map((name) => `{name: ${name}, ports: [{port: 80}], endpoints: [{id: ${name}-1, address: 10.1.1.2, port: 3000}, {id: ${name}-2, address: 10.1.1.9, port: 3000}]}`).join(', ')}]`,
    ],
  ])('%s', async (_, text) => {
    const list = new ServicesList();
    const { workloads, problems } = await list.read(text, 'FILE');
    expect(problems).toEqual([]);
    expect(ids(workloads)).toEqual(['a-1', 'a-2', 'b-1', 'b-2']);
    expect(workloads[0]).toMatchObject({ address: '10.1.1.2', policy: { ports: [{ port: 80 }] } });
    const again = await list.read(text, 'FILE');
    expect(again.workloads.every((workload, index) => workload === workloads[index])).toBe(true);
  });

  test('an empty list is no services', async () => {
    expect(await new ServicesList().read('[]', 'FILE')).toEqual({ workloads: [], problems: [] });
  });
});

describe('what is read again', () => {
  test('keeps the identity of what did not change, also within an entry that did', async () => {
    const list = new ServicesList();
    const before = (await list.read(entry('a') + entry('b'), 'FILE')).workloads;
    const after = (await list.read(entry('b') + entry('a', '10.1.1.3'), 'FILE')).workloads;
    expect(ids(after)).toEqual(['b-1', 'b-2', 'a-1', 'a-2']);
    expect(after[0]).toBe(before[2]);
    expect(after[1]).toBe(before[3]);
    expect(after[2]).not.toBe(before[0]);
    expect(after[2]?.address).toBe('10.1.1.3');
    expect(after[3]).toBe(before[1]);
  });

  test('a mistake in an entry leaves its service as it was, and reports it', async () => {
    const list = new ServicesList();
    await list.read(entry('a') + entry('b'), 'FILE');
    const { workloads, problems } = await list.read(
      entry('a').replace('port: 80', 'port: eighty') + entry('b'),
      'FILE',
    );
    expect(ids(workloads).sort()).toEqual(['a-1', 'a-2', 'b-1', 'b-2']);
    expect(problems).toEqual([
      {
        code: 'static-service',
        subject: 'service a',
        message: 'FILE: [0].ports[0].port: expected a number, got "eighty"',
      },
    ]);
    expect(ids((await list.read(entry('b'), 'FILE')).workloads)).toEqual(['b-1', 'b-2']);
  });

  test.each([
    ['nothing', ''],
    ['a comment', '# soon\n'],
    ['a map', 'services: []\n'],
    ['text', 'hello\n'],
    ['an open bracket', '- name: [\n'],
    ['a tab', '-\tname: a\n\tports: []\n- name: b\n'],
    ['half of JSON', '[{"name": "a"'],
  ])('%s throws, and nothing is lost', async (_, text) => {
    const list = new ServicesList();
    const { workloads } = await list.read(entry('a'), 'FILE');
    await expect(list.read(text, 'FILE')).rejects.toMatchObject({ code: 'services-file' });
    expect(list.workloads).toBe(workloads);
  });

  test('one id twice: the later entry is refused', async () => {
    const { workloads, problems } = await new ServicesList().read(
      entry('a') + entry('b').replace('b-2', 'a-1'),
      'FILE',
    );
    expect(ids(workloads)).toEqual(['a-1', 'a-2']);
    expect(problems).toMatchObject([{ subject: 'service b' }]);
  });
});

test('in a long list one change leaves all others as they were, and other work has its turns', async () => {
  const services = (changed: string) =>
    Array.from({ length: 2_000 }, (_, service) => {
      const endpoints = [1, 2, 3].map(
        (host) =>
          `    - { id: s${service}-${host}, address: ${service === 1000 ? changed : `10.1.1.${host}`}, port: 3000, check: { http: /healthz } }\n`,
      );
      return `- name: s${service}\n  stack: shop\n  ports: [{ name: http, port: 80 }]\n  endpoints:\n${endpoints.join('')}`;
    }).join('');
  const list = new ServicesList();
  let turns = 0;
  const others = setInterval(() => turns++, 5);
  let before = (await list.read(services('10.1.1.1'), 'FILE')).workloads;
  clearInterval(others);
  expect(before).toHaveLength(6_000);
  expect(turns).toBeGreaterThan(5);

  for (const address of ['10.1.1.7', '10.1.1.8']) {
    const { workloads } = await list.read(services(address), 'FILE');
    expect(workloads.filter((workload, index) => workload !== before[index])).toHaveLength(3);
    before = workloads;
  }
});
