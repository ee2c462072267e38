import { expect, test } from 'vitest';
import { parseServer } from './kept_server.ts';

test('a server is read back, and what is none is passed over', () => {
  const server = { baseURL: 'http://127.0.0.1:8000/v1', apiKey: 'sesame', model: 'river-8b' };
  expect(parseServer(JSON.stringify(server))).toEqual(server);
  expect(parseServer(JSON.stringify({ baseURL: server.baseURL, apiKey: '', model: 7 }))).toEqual({
    baseURL: server.baseURL,
  });
  for (const text of [null, '', '{', '7', '{}', '{"baseURL": "somewhere"}', '{"baseURL": 7}']) {
    expect(parseServer(text)).toBeNull();
  }
});
