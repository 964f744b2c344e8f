/** The agent's container up to the point where only its start is missing. */
import type { ContainerSpec, LaunchPlan } from '../contracts/plan.ts';
import type { Attachment, Bound, Container, Image } from './backend.ts';
import type { Provisioner, ReadyProvisioner } from './provision/provisioner.ts';
import { all, makeContainer, type Site, stage } from './site.ts';

export interface MadeAgent {
  readonly container: Container;
  readonly attachment: Attachment;
  /** Those that apply to its image, in their order. */
  readonly provisioners: readonly ReadyProvisioner[];
}

/** `say`: what the user is to know, once. */
export async function makeAgent(
  site: Site,
  spec: Bound<ContainerSpec>,
  image: Image,
  { provisioners, say }: { readonly provisioners: readonly Provisioner[]; readonly say: (line: string) => void },
): Promise<MadeAgent> {
  const env = { ...image.env, ...spec.env };
  const container = await makeContainer(site, spec);
  const { attachment, inspected } = await all(site, {
    attachment: stage(spec.name, undefined, () => container.attach(spec.terminal === 'caller' && site.terminal)).then(
      (made) => site.containers.own(made),
    ),
    inspected: all(
      site,
      provisioners.map((provisioner) => inspect(provisioner, container, env, say)),
    ),
  });
  return { container, attachment, provisioners: inspected.filter((ready) => ready !== undefined) };
}

/** `''` is root. */
export function agentUser({ agent_user: wish }: LaunchPlan, image: Image, say: (line: string) => void): string {
  if (wish.kind === 'fixed') return wish.user;
  const isRoot = /^(root|0)?(:|$)/.test(image.user);
  if (wish.kind === 'image' || !isRoot) return image.user;
  say(`the image's user is root: the agent runs as ${wish.uid}:${wish.gid}, the owner of ${wish.source}`);
  return `${wish.uid}:${wish.gid}`;
}

async function inspect(
  provisioner: Provisioner,
  agent: Container,
  env: Image['env'],
  say: (line: string) => void,
): Promise<ReadyProvisioner | undefined> {
  try {
    return await stage(`provision ${provisioner.name}`, undefined, () => provisioner.inspect(agent, env));
  } catch (error) {
    if (provisioner.need === 'essential') throw error;
    say(`provision ${provisioner.name}: left out (${error instanceof Error ? error.message : String(error)})`);
    return undefined;
  }
}
