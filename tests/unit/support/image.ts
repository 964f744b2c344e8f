/** An agent's container of an image with these files, created and not started. */
import { bind } from '../../../src/bind.ts';
import { FakeBackend, type Script } from './backend.ts';
import type { FakeContainer } from './container.ts';
import { fullPlan } from './plans.ts';

export function imageOf(script: Script): { backend: FakeBackend; agent: FakeContainer } {
  const plan = fullPlan();
  const values = new Map(Object.keys(plan.late_bound).map((name) => [name, name]));
  const backend = new FakeBackend(script);
  return { backend, agent: backend.adopt(bind(plan.containers.agent, values)) };
}
