// Runs beside the stand-in upstream: a gRPC server by hand, whose messages are plain text, and what else is asked over HTTP/2.
import { readFileSync } from 'node:fs';
import { createSecureServer } from 'node:http2';
import { gunzipSync, gzipSync } from 'node:zlib';

const COMPRESSED = 1;
const FAILED_PRECONDITION = 9;

/** What a method does: with the call, with each message, and with the end of what the caller sends. */
const METHODS = {
  Unary: () => ({ message: (call, text) => call.say(`${text}, too`), end: (call) => call.end() }),
  Server: () => ({
    message: (call, text) => [1, 2, 3].forEach((n) => call.say(`${text} ${n}`)),
    end: (call) => call.end(),
  }),
  Client: (all = []) => ({
    message: (_, text) => all.push(text),
    end: (call) => call.say(all.join('+')).end(),
  }),
  Both: (call) => {
    call.say('you first');
    return { message: (_, text) => call.say(text), end: () => call.end() };
  },
  Fail: () => ({ message: (call) => call.say('part').end(FAILED_PRECONDITION, 'not so: 100%25') }),
  Never: () => ({}),
};

/** `say`: tells the test what arrived. */
export function serveCalls(port, say, fail) {
  const keys = { key: readFileSync('/tmp/leaf.key'), cert: readFileSync('/tmp/leaf.pem') };
  createSecureServer(keys)
    .on('stream', (stream, headers) => {
      stream.on('error', () => undefined); // its close tells
      if (headers['content-type']?.startsWith('application/grpc')) call(stream, headers, say);
      else plain(stream, headers, say);
    })
    .on('error', fail)
    .listen(port);
}

function call(stream, headers, say) {
  const [, service, name] = headers[':path'].split('/');
  const tell = (method, body) => say({ event: 'request', method, url: headers[':path'], headers, body });
  const isCompressed = headers['grpc-encoding'] === 'gzip';
  let trailers;
  const answer = {
    say(text) {
      if (!stream.destroyed) stream.write(written(text, isCompressed));
      return answer;
    },
    end(status = 0, message = '') {
      trailers = { 'grpc-status': status, 'grpc-message': message, 'x-service': service };
      stream.end();
    },
  };
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.on('aborted', () => tell('CANCELLED', ''));
  stream.respond(
    { 'content-type': 'application/grpc', ...(isCompressed && { 'grpc-encoding': 'gzip' }) },
    { waitForTrailers: true },
  );
  const method = METHODS[name](...(name === 'Both' ? [answer] : []));
  tell('CALL', '');
  let bytes = Buffer.alloc(0);
  stream.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt32BE(1)) {
      const [flag, content] = [bytes[0], bytes.subarray(5, 5 + bytes.readUInt32BE(1))];
      bytes = bytes.subarray(5 + content.length);
      const text = String(flag === COMPRESSED ? gunzipSync(content) : content);
      tell(flag === COMPRESSED ? 'GZIP' : 'MESSAGE', text);
      method.message?.(answer, text);
    }
  });
  stream.on('end', () => method.end?.(answer));
}

function written(text, isCompressed) {
  const content = isCompressed ? gzipSync(text) : Buffer.from(text);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(isCompressed ? COMPRESSED : 0);
  prefix.writeUInt32BE(content.length, 1);
  return Buffer.concat([prefix, content]);
}

/** `/bytes/N` is N bytes; everything else says how many bytes it was sent. */
function plain(stream, headers, say) {
  let bytes = 0;
  stream.on('data', (chunk) => (bytes += chunk.length));
  stream.on('end', () => {
    say({ event: 'request', method: headers[':method'], url: headers[':path'], headers, body: '', bytes });
    const [, wanted] = headers[':path'].match(/^\/bytes\/(\d+)$/) ?? [];
    stream.respond({ ':status': 200 });
    stream.end(wanted === undefined ? `${bytes} bytes` : Buffer.alloc(Number(wanted), 'x'));
  });
}
