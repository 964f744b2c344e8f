// Every kind of call with grpc-js. One line of JSON tells what came of them.
import { createRequire } from 'node:module';

const grpc = createRequire('/opt/js/')('@grpc/grpc-js');
const [target, secret] = process.argv.slice(2);
const same = (bytes) => bytes;
const text = (bytes) => bytes.toString();
const metadata = () => new grpc.Metadata();
const path = (name) => `/stand.In/${name}`;
const client = new grpc.Client(target, grpc.credentials.createSsl());
const both = (call) => call.makeBidiStreamRequest(path('Both'), Buffer.from, text);

function unary(caller, name, message, options = {}) {
  return new Promise((resolve) => {
    const trailer = {};
    const call = caller.makeUnaryRequest(path(name), Buffer.from, text, message, metadata(), options, (error, reply) =>
      setImmediate(() => resolve({ code: error?.code ?? 0, details: error?.details ?? '', reply, ...trailer })),
    );
    call.on('status', (status) => (trailer.trailer = String(status.metadata.get('x-service'))));
  });
}

/** Says each text when the one before was answered; the server has spoken first. */
function talk(texts) {
  return new Promise((resolve) => {
    const [heard, left] = [[], [...texts]];
    const call = both(client);
    call.on('data', (message) => {
      heard.push(message);
      if (left.length > 0) call.write(left.shift());
      else call.end();
    });
    call.on('error', () => undefined); // its status tells
    call.on('status', ({ code, details }) => resolve({ heard, code, details }));
  });
}

const server = [];
for await (const message of client.makeServerStreamRequest(path('Server'), Buffer.from, same, 'a'))
  server.push(text(message));
const sent = await new Promise((resolve) => {
  const call = client.makeClientStreamRequest(path('Client'), Buffer.from, text, (error, reply) =>
    resolve(error?.message ?? reply),
  );
  for (const one of ['one', 'two', 'three']) call.write(one);
  call.end();
});
const zipped = new grpc.Client(target, grpc.credentials.createSsl(), { 'grpc.default_compression_algorithm': 2 });
const whole = await unary(client, 'Unary', 'hi');
const failed = await unary(client, 'Fail', 'x');
console.log(
  JSON.stringify({
    unary: [whole.reply, whole.code, whole.trailer],
    server,
    client: sent,
    both: await talk(['one', 'two']),
    failed: [failed.code, failed.details, failed.trailer],
    deadline: (await unary(client, 'Never', 'x', { deadline: Date.now() + 500 })).code,
    gzip: (await unary(zipped, 'Unary', 'z'.repeat(2000))).reply,
    blocked: await talk(['fine', `the key is ${secret}`]),
    zipped: (await unary(zipped, 'Unary', `${'z'.repeat(2000)} ${secret}`)).code,
    halves: await talk([`the key is ${secret.slice(0, 9)}`, secret.slice(9)]),
  }),
);
process.exit(0);
