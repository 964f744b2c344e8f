/** Specifications of containers as the engine gets them. */
import type { ContainerSpec } from '../../../contracts/plan.ts';
import type { Bound } from '../../../src/backend.ts';
import { bind } from '../../../src/bind.ts';
import { planLaunch } from '../../../src/plan.ts';
import { FakeBackend, type Script } from './backend.ts';
import type { FakeContainer } from './container.ts';
import { full } from './plans.ts';

/** With the names of the references as their values. */
export function bound(slug: string, role: 'agent' | 'gate' | 'scanner' | 'bump'): Bound<ContainerSpec> {
  const plan = planLaunch(full, { slug });
  return bind(plan.containers[role], new Map(Object.keys(plan.late_bound).map((name) => [name, name])));
}

/** An agent's container of an image with these files, created and not started. */
export function imageOf(script: Script): { backend: FakeBackend; agent: FakeContainer } {
  const backend = new FakeBackend(script);
  return { backend, agent: backend.adopt(bound('demo', 'agent')) };
}
