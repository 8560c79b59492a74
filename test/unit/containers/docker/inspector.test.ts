import { describe, expect, it } from 'vitest';
import { Inspector } from '../../../../src/containers/docker/inspector.ts';

/** An inspector whose looks end when the test says so. */
function setUp(limit = 2) {
  const looks: { readonly id: string; readonly look: PromiseWithResolvers<string> }[] = [];
  const found: string[] = [];
  const inspector = new Inspector<string>({
    limit,
    inspect: async (id) => {
      const look = Promise.withResolvers<string>();
      looks.push({ id, look });
      return await look.promise;
    },
    found: (id, result) => found.push(`${id} ${result}`),
  });
  const asked = () => looks.map(({ id }) => id);
  return { inspector, looks, found, asked };
}

describe('Inspector', () => {
  it('looks at no more than the limit at once', async () => {
    const { inspector, looks, found, asked } = setUp(2);
    const all = Promise.all(['a', 'b', 'c'].map((id) => inspector.request(id)));
    expect(asked()).toEqual(['a', 'b']);
    looks[0]?.look.resolve('1');
    await expect.poll(asked).toEqual(['a', 'b', 'c']);
    for (const { look } of looks) look.resolve('1');
    await all;
    expect(found).toEqual(['a 1', 'b 1', 'c 1']);
  });

  it('looks once for any number of requests that wait', async () => {
    const { inspector, looks, asked } = setUp(1);
    const all = Promise.all(['a', 'b', 'b', 'b'].map((id) => inspector.request(id)));
    looks[0]?.look.resolve('1');
    await expect.poll(asked).toEqual(['a', 'b']);
    looks[1]?.look.resolve('1');
    await all;
  });

  it('drops an answer that may be older than the last request, and asks again', async () => {
    const { inspector, looks, found, asked } = setUp();
    const both = Promise.all([inspector.request('a'), inspector.request('a')]);
    looks[0]?.look.resolve('old');
    await expect.poll(asked).toEqual(['a', 'a']);
    looks[1]?.look.resolve('new');
    await both;
    expect(found).toEqual(['a new']);
  });

  it('forgets what died: waiting, under way, and born again', async () => {
    const { inspector, looks, found } = setUp(1);
    const first = inspector.request('a');
    const waiting = inspector.request('b');
    inspector.forget('b');
    await waiting;
    inspector.forget('a');
    looks[0]?.look.resolve('old');
    await first;
    expect(found).toEqual([]);

    const reborn = [inspector.request('a')];
    inspector.forget('a');
    reborn.push(inspector.request('a'));
    looks[1]?.look.resolve('old');
    await expect.poll(() => looks.length).toBe(3);
    looks[2]?.look.resolve('new');
    await Promise.all(reborn);
    expect(found).toEqual(['a new']);
  });

  it('passes a failure on and goes on with the others', async () => {
    const { inspector, looks, found } = setUp(1);
    const failing = inspector.request('a');
    const next = inspector.request('b');
    looks[0]?.look.reject(new Error('no'));
    await expect(failing).rejects.toThrow('no');
    await expect.poll(() => looks.length).toBe(2);
    looks[1]?.look.resolve('1');
    await next;
    expect(found).toEqual(['b 1']);
  });
});
