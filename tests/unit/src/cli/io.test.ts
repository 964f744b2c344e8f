import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { suite, test } from 'node:test';
import { processIo } from '../../../../src/cli/io.ts';

interface Screen extends PassThrough {
  isTTY?: boolean;
  columns?: number;
  rows?: number;
  setRawMode?: (raw: boolean) => void;
}

function makeProcess({ terminal = false } = {}) {
  const raw: boolean[] = [];
  const stream = (): Screen => Object.assign(new PassThrough(), terminal ? { isTTY: true, columns: 40, rows: 10 } : {});
  const [stdin, stdout, stderr] = [stream(), stream(), stream()];
  stdin.setRawMode = (on) => void raw.push(on);
  const emitter = new EventEmitter();
  // Of a process, these are all that is used.
  const io = processIo(Object.assign(emitter, { stdin, stdout, stderr }) as unknown as NodeJS.Process);
  const read = (screen: Screen) => String(screen.read() ?? '');
  return { io, emitter, stdin, stdout, stderr, raw, out: () => read(stdout), err: () => read(stderr) };
}

suite('what is said', () => {
  test('goes to standard error, with the name of the program', () => {
    const { io, out, err } = makeProcess();
    io.say('a line');
    assert.deepEqual([out(), err()], ['', 'bottle: a line\n']);
  });

  test('is not what is printed: that goes to standard output as it is', () => {
    const { io, out, err } = makeProcess();
    io.print('{}');
    assert.deepEqual([out(), err()], ['{}', '']);
  });
});

suite('what an agent has written or asked for cannot move the cursor', () => {
  const hostile = 'bottle.yaml: \u001b[2J\u009b1A\rforged\u202e';
  const visible = /^bottle: bottle\.yaml: [^\p{Cc}\p{Cf}]+\n$/u;

  test('where it is said', () => {
    const { io, err } = makeProcess();
    io.say(hostile);
    assert.match(err(), visible);
  });

  test('where it is a slow step', () => {
    const { io, err } = makeProcess();
    io.progress(hostile);
    assert.match(err(), visible);
  });

  test('where it is asked about', async () => {
    const { io, stdin, err } = makeProcess();
    const answer = io.ask(`bottle: ${hostile}`);
    stdin.write('\n');
    await answer;
    assert.match(`${err()}\n`, visible);
  });
});

suite('a slow step', () => {
  test('is a plain line where there is no terminal', () => {
    const { io, err } = makeProcess();
    io.progress('one');
    io.progress('two');
    io.settle();
    assert.equal(err(), 'bottle: one\nbottle: two\n');
  });

  test('is one changing line on a terminal, no wider than that, and gone before anything else is said', () => {
    const { io, err } = makeProcess({ terminal: true });
    io.progress('x'.repeat(100));
    assert.equal(err(), `\r\u001b[K${`bottle: ${'x'.repeat(100)}`.slice(0, 39)}`);
    io.say('done');
    assert.equal(err(), '\r\u001b[Kbottle: done\n');
    io.settle();
    assert.equal(err(), '', 'it is taken away once');
  });
});

suite('a signal', () => {
  test('goes to the latest who listens', () => {
    const { io, emitter } = makeProcess();
    const heard: string[] = [];
    using _outer = io.caller.onSignal((signal) => heard.push(`outer ${signal}`));
    {
      using _inner = io.caller.onSignal((signal) => heard.push(`inner ${signal}`));
      emitter.emit('SIGINT', 'SIGINT');
    }
    emitter.emit('SIGTERM', 'SIGTERM');
    assert.deepEqual(heard, ['inner SIGINT', 'outer SIGTERM']);
  });

  test('does what it does to any program while nobody listens', () => {
    const { io, emitter } = makeProcess();
    const listeners = () => ['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => emitter.listenerCount(signal));
    assert.deepEqual(listeners(), [0, 0, 0]);
    {
      using _ = io.caller.onSignal(() => {});
      assert.deepEqual(listeners(), [1, 1, 1]);
    }
    assert.deepEqual(listeners(), [0, 0, 0]);
  });
});

suite('a terminal', () => {
  test('is one where both standard input and standard output are', () => {
    assert.equal(makeProcess().io.caller.terminal, undefined);
    assert.deepEqual(makeProcess({ terminal: true }).io.caller.terminal?.size(), { columns: 40, rows: 10 });
  });

  test('is raw until it is given back', () => {
    const { io, raw } = makeProcess({ terminal: true });
    {
      using _ = io.caller.terminal?.raw();
      assert.deepEqual(raw, [true]);
    }
    assert.deepEqual(raw, [true, false]);
  });

  test('says when its size changes, until nobody listens', () => {
    const { io, stdout } = makeProcess({ terminal: true });
    let times = 0;
    {
      using _ = io.caller.terminal?.onResize(() => void (times += 1));
      stdout.emit('resize');
    }
    stdout.emit('resize');
    assert.equal(times, 1);
  });
});

suite('a question', () => {
  test('is asked on standard error and answered on standard input', async () => {
    const { io, stdin, out, err } = makeProcess();
    const answer = io.ask('Run it? ');
    stdin.write('yes\n');
    assert.equal(await answer, 'yes');
    assert.deepEqual([out(), err()], ['', 'Run it? ']);
  });

  test('that nobody answers any more counts as no', async () => {
    const { io, stdin } = makeProcess();
    const answer = io.ask('Run it? ');
    stdin.end();
    assert.equal(await answer, '');
  });

  test('that is answered with Ctrl-C is an interruption', async () => {
    const { io, stdin } = makeProcess({ terminal: true });
    const answer = io.ask('Run it? ');
    stdin.write('\u0003');
    await assert.rejects(answer, { code: 'BOTTLE_CANCELLED' });
  });
});
