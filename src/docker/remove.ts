/** Removing, as often as it takes: what is gone already is removed, what is just going is waited for. */
import { setTimeout as sleep } from 'node:timers/promises';
import type Dockerode from 'dockerode';
import { failure, statusOf } from './failure.ts';

/** Killed if need be, with its anonymous volumes. */
export async function removeContainer(container: Dockerode.Container): Promise<void> {
  await untilGone(`container cannot be removed: ${container.id}`, () => container.remove({ force: true, v: true }));
}

/** With whatever is still connected to it disconnected. */
export async function removeNetwork(network: Dockerode.Network): Promise<void> {
  await untilGone(`network cannot be removed: ${network.id}`, async () => {
    const { Containers = {} } = await network.inspect();
    for (const container of Object.keys(Containers)) {
      await network.disconnect({ Container: container, Force: true }).catch(() => undefined); // it may just be going
    }
    await network.remove();
  });
}

export async function removeVolume(volume: Dockerode.Volume): Promise<void> {
  await untilGone(`volume cannot be removed: ${volume.name}`, () => volume.remove());
}

const TRIES = 40;
const FIRST_PAUSE_MS = 25;
const LONGEST_PAUSE_MS = 400;

/** @throws BackendError after about 15 s, with the engine's last words */
async function untilGone(what: string, remove: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await remove();
      return;
    } catch (error) {
      const status = statusOf(error);
      if (status === 404) return;
      // 409: its removal is in progress, or it is in use by something that is going; 403: a network with endpoints.
      if ((status !== 409 && status !== 403 && status !== 500) || attempt === TRIES) {
        throw failure(what, error, 'See: docker ps -a; docker network ls; docker volume ls');
      }
    }
    await sleep(Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), LONGEST_PAUSE_MS));
  }
}
