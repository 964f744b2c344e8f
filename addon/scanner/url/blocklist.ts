/** Hosts whose purpose is to take what anyone sends them, and show it to anyone or to whoever waits. As data; suffixes. */
const BLOCKED_HOSTS: readonly string[] = [
  // Pastes
  'pastebin.com',
  'paste.ee',
  'hastebin.com',
  'dpaste.org',
  'dpaste.com',
  'ghostbin.com',
  'rentry.co',
  'controlc.com',
  'paste.rs',
  'ix.io',
  'sprunge.us',
  'termbin.com',
  'privatebin.net',
  'justpaste.it',
  // Files from anyone to anyone
  'transfer.sh',
  'file.io',
  '0x0.st',
  'gofile.io',
  'anonfiles.com',
  'bashupload.com',
  'tmpfiles.org',
  'catbox.moe',
  'oshi.at',
  'temp.sh',
  // Request catchers
  'webhook.site',
  'requestbin.com',
  'requestbin.net',
  'requestcatcher.com',
  'pipedream.net',
  'beeceptor.com',
  'hookbin.com',
  'postb.in',
  'requestinspector.com',
  'ptsv2.com',
  'typedwebhook.tools',
  // Answers to out-of-band probes
  'burpcollaborator.net',
  'oastify.com',
  'oast.fun',
  'oast.live',
  'oast.me',
  'oast.online',
  'oast.pro',
  'oast.site',
  'interact.sh',
  'dnslog.cn',
  'ceye.io',
  'canarytokens.com',
  'requestrepo.com',
];

/** The entry that covers the host. */
export function blockedBy(host: string): string | undefined {
  return BLOCKED_HOSTS.find((entry) => host === entry || host.endsWith(`.${entry}`));
}
