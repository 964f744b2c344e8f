/**
 * Shows the main job: an agent that reaches nothing but the sidecar, a request that passes, a request with a credential that does not,
 * and nothing left behind. The upstream is a container of the demo's own, with a CA of its own.
 */
import { connect } from '../src/docker/connect.ts';
import { leftovers, World } from '../tests/integration/support/world.ts';

/** Has the shape of an AWS access key id, and is nobody's. */
const CREDENTIAL = 'AKIAQ3EGRZPXV4T7KWJB';
const SLUG = 'demo';

interface Scene {
  readonly title: string;
  /** Run by the agent's shell. */
  readonly script: string;
  /** What must be seen for the demo to be a success. */
  readonly shows: RegExp;
}

const SCENES: readonly Scene[] = [
  {
    title: 'The agent has no way out but the sidecar: an address and a name, tried without the proxy',
    script:
      "curl -sS --noproxy '*' -m 5 https://192.0.2.1/ || true; curl -sS --noproxy '*' -m 5 https://raw.githubusercontent.com/ || true",
    shows: /(refused|Could ?n.t connect)[\s\S]*Could not resolve/i,
  },
  {
    title: 'An HTTPS GET to an allowed host passes: the answer is the upstream’s own',
    script: 'curl -sS -i --suppress-connect-headers https://raw.githubusercontent.com/hello',
    shows: /^HTTP\/2 200 [\s\S]*upstream says hello to GET \/hello/,
  },
  {
    title: 'An HTTPS POST with a credential comes back as 403, with the reason; the upstream never sees it',
    script: `curl -sS -i --suppress-connect-headers -H 'content-type: application/json' -d '{"key":"${CREDENTIAL}"}' https://api.anthropic.com/dlp-probe`,
    shows: /^HTTP\/2 403 [\s\S]*blocked: request body contains secret: AWS/,
  },
];

process.exitCode = await demo();

async function demo(): Promise<number> {
  say('starting a stand-in upstream (a container with a CA of its own; the first time, images are built)');
  const docker = await connect(process.env);
  await using world = await World.open(docker);
  let failures = 0;
  for (const { title, script, shows } of SCENES) {
    say(`\n■ ${title}\n  agent $ ${script}`);
    const { stdout, stderr } = await world.agent(`{ ${script}; } 2>&1`, { name: SLUG });
    for (const line of `${stdout}\n${stderr}`.split(/\r?\n/).filter((text) => text !== '')) say(`  │ ${line}`);
    failures += verdict(shows.test(stdout));
  }
  const probes = await world.seen(({ url }) => url === '/dlp-probe');
  say('\n■ Nothing is left behind, and the upstream saw no credential');
  const left = await leftovers(docker, SLUG);
  say(`  │ containers, networks and volumes of the sessions: ${left.length === 0 ? 'none' : left.join(', ')}`);
  say(`  │ requests to /dlp-probe that reached the upstream: ${probes.length}`);
  failures += verdict(left.length === 0 && probes.length === 0);
  say(failures === 0 ? '\nAll four seen.' : `\n${failures} of four not seen.`);
  return failures === 0 ? 0 : 1;
}

function verdict(seen: boolean): number {
  say(seen ? '  ✔ seen' : '  ✘ NOT seen');
  return seen ? 0 : 1;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
