/** The provisioners, in their order. */
import { caProvisioner } from './ca.ts';
import { homeProvisioner } from './home.ts';
import type { Provisioner } from './provisioner.ts';

export const PROVISIONERS: readonly Provisioner[] = [caProvisioner, homeProvisioner];
