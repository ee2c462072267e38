import { expect, test } from 'vitest';
import { Channel } from './channel.ts';

async function drain<T>(channel: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of channel) items.push(item);
  return items;
}

test('gives what was pushed before and after the reading began, in order', async () => {
  const channel = new Channel<number>();
  channel.push(1);
  const reading = drain(channel);
  await Promise.resolve();
  channel.push(2);
  channel.push(3);
  channel.close();
  channel.push(4);
  expect(await reading).toEqual([1, 2, 3]);
});

test('an error comes after what was pushed before it, once', async () => {
  const channel = new Channel<number>();
  channel.push(1);
  channel.fail(new Error('full'));
  expect(await channel.next()).toEqual({ value: 1, done: false });
  await expect(channel.next()).rejects.toThrow('full');
  expect((await channel.next()).done).toBe(true);
});

test('an error wakes a reader that waits', async () => {
  const channel = new Channel<number>();
  const waiting = channel.next();
  channel.fail(new Error('lost'));
  await expect(waiting).rejects.toThrow('lost');
});

test('leaving the loop tells the producer once; the end does not', async () => {
  let left = 0;
  const channel = new Channel<number>(() => left++);
  channel.push(1);
  channel.push(2);
  for await (const item of channel) {
    expect(item).toBe(1);
    break;
  }
  await channel.return();
  expect(left).toBe(1);
  const ended = new Channel<number>(() => left++);
  ended.close();
  expect(await drain(ended)).toEqual([]);
  expect(left).toBe(1);
});

test('refuses a second reader', () => {
  const channel = new Channel<number>();
  channel[Symbol.asyncIterator]();
  expect(() => channel[Symbol.asyncIterator]()).toThrow('read once');
});
