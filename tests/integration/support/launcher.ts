/** A stand-in for the launcher, to be killed: makes a container with a lifeline, says its name, holds the line. */
import { connect } from '../../../src/docker/connect.ts';
import { Lab } from './lab.ts';

const [slug = 'backendtest'] = process.argv.slice(2);
const lab = await new Lab(await connect(process.env), slug).prepare();
const container = await lab.create('bump', ['sh', '-c', 'echo "{\\"event\\":\\"ready\\"}"; exec cat >/dev/null'], {
  role: 'bump',
});
const lifeline = await container.lifeline();
await container.start(lab.signal);
await container.readyLine(10_000, lab.signal);
console.log('ready');
setInterval(() => lifeline.write('beat'), 500);
