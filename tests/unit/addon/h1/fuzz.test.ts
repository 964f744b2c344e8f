import { test } from 'node:test';
import { TARGETS } from '../../../fuzz/h1.ts';
import { randomFrom } from '../../../fuzz/random.ts';

for (const target of TARGETS) {
  test(`${target.name} from a fixed seed are read and written as llhttp reads them, or refused`, async () => {
    for (let seed = 1; seed <= 3000; seed += 1) await target.run(target.make(randomFrom(seed)));
  });
}

test('the faults that fuzzing has found stay found', async () => {
  const [requests, answers] = TARGETS;
  for (const input of [
    'GET / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: x\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a.test\r\nProxy-Connection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n',
    'CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\nContent-Length:,\r\n\r\n',
    'GET /\xe9 HTTP/1.1\r\nHost: a.test\r\n\r\n',
  ])
    await requests?.run(Buffer.from(input, 'latin1'));
  for (const input of [
    '1HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\t\r\n\r\n1\r\na\r\n0\r\n\r\n',
    '0HTTP/1.1 103 Hints\r\nConnection: close\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    '0HTTP/1.1 200 OK\r\nContent-Length: 0x\r\nTransfer-Encoding: 5\r\n\r\n',
  ])
    await answers?.run(Buffer.from(input, 'latin1'));
});
