/** The provisioners, in their order. */
import { chromiumProvisioner, firefoxProvisioner } from './browsers.ts';
import { caProvisioner } from './ca.ts';
import { gitProvisioner } from './git.ts';
import { homeProvisioner } from './home.ts';
import { javaProvisioner } from './java.ts';
import type { Provisioner } from './provisioner.ts';

export const PROVISIONERS: readonly Provisioner[] = [
  caProvisioner,
  homeProvisioner,
  gitProvisioner,
  javaProvisioner,
  chromiumProvisioner,
  firefoxProvisioner,
];
