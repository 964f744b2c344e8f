/** What all containers of our own have in common. Pure. */
import { type ContainerSpec, late, type Role } from '../contracts/plan.ts';

/** The sidecar's and the scanner's user: nobody. */
export const UNPRIVILEGED = '65534:65534';
export const MIB = 1024 ** 2;
/** Where the sidecar answers names, on every network that it does so. */
export const DNS_PORT = 53;

export const HARDENED: ContainerSpec['hardening'] = {
  cap_drop: ['ALL'],
  cap_add: [],
  no_new_privileges: true,
  read_only_root: true,
  init: false,
  sysctls: {},
};

/** What `own` does not say is as strict as it can be. */
export function container(
  name: string,
  role: Role,
  own: Partial<ContainerSpec> & Pick<ContainerSpec, 'network' | 'limits'>,
): ContainerSpec {
  return {
    name,
    role,
    image: late('image.sidecar'),
    entrypoint: null,
    command: null,
    user: null,
    workdir: null,
    env: {},
    dns: [],
    mounts: [],
    hardening: HARDENED,
    attach: 'lifeline',
    terminal: 'none',
    log: 'capped',
    ...own,
  };
}
