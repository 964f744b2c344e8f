/** The command tree: flags and words only. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { manifestSchema, slugSchema } from '../../contracts/manifest.ts';
import { firstError, UsageError } from '../errors.ts';
import { LOGGED_ROLES, type LoggedRole } from '../history.ts';
import type { Deps } from './deps.ts';
import { lock } from './lock.ts';
import { init, schema, trust } from './manifest.ts';
import { clean, logs, ls, records, stop } from './sessions.ts';
import { type StartOptions, start } from './start.ts';

const SCANNERS = manifestSchema.shape.scanner.unwrap().shape.kind.unwrap().options;

/** Runs one command. @returns its exit status @throws BottleError */
export async function run(args: readonly string[], deps: Deps): Promise<number> {
  let status = 0;
  const program = new Command('bottle')
    .description('Runs an AI coding agent in a container whose only way out opens, scans and records every request.')
    .version(deps.version)
    .enablePositionalOptions()
    .showHelpAfterError('(bottle --help lists the commands)')
    .exitOverride()
    .configureOutput({ writeOut: (text) => deps.io.print(text), writeErr: () => {} }); // errors are thrown, and said once

  const format = () => new Option('--format <format>', 'how to print').choices(['text', 'json']);
  const done = (result: number | Promise<number>) => Promise.resolve(result).then((value) => void (status = value));

  program
    .command('start')
    .description('run an agent')
    .argument('[command...]', "what to run in place of the manifest's command")
    .option('-f, --file <file>', 'manifest (default: ./bottle.yaml, else the built-in default)')
    .option('--name <slug>', "the session's name: 1–40 of a–z, 0–9 and -", readSlug)
    .option('--dry-run', 'print the plan, and touch nothing')
    .addOption(format())
    .addOption(new Option('--scanner <kind>', "in place of the manifest's scanner").choices([...SCANNERS]))
    .option('--locked', 'refuse an image that is not the one in bottle.lock')
    .option('--trust', 'run the manifest without asking whether you have read it')
    .option('--quiet', 'nothing before and after the agent')
    .passThroughOptions()
    .action((command: string[], options: Omit<StartOptions, 'command'>) => done(start({ ...options, command }, deps)));
  program
    .command('init')
    .description('write a commented bottle.yaml')
    .action(() => done(init(deps)));
  program
    .command('schema')
    .description("print the manifest's JSON Schema")
    .action(() => done(schema(deps)));
  program
    .command('trust')
    .description('confirm a manifest as it is now')
    .argument('[file]', 'default: ./bottle.yaml')
    .action((file?: string) => done(trust(file, deps)));
  program
    .command('lock')
    .description('write bottle.lock: which image each reference of the manifest stands for')
    .argument('[file]', 'manifest (default: ./bottle.yaml)')
    .action((file?: string) => done(lock(file, deps)));
  program
    .command('ls')
    .description('list sessions')
    .addOption(format().default('text'))
    .action((options: { format: 'text' | 'json' }) => done(ls(options, deps)));
  program
    .command('logs')
    .description('the last log lines of a running or an ended session')
    .argument('<slug>', 'session', readSlug)
    .argument('[role]', LOGGED_ROLES.join(', '), readRole)
    .action((slug: string, role?: LoggedRole) => done(logs(slug, role, deps)));
  program
    .command('records')
    .description('the journal of a running or an ended session: what went out, and what did not')
    .argument('<slug>', 'session', readSlug)
    .addOption(format().default('text'))
    .action((slug: string, options: { format: 'text' | 'json' }) => done(records(slug, options, deps)));
  program
    .command('stop')
    .description("end a session's agent and remove the session")
    .argument('<slug>', 'session', readSlug)
    .action((slug: string) => done(stop(slug, deps)));
  program
    .command('clean')
    .description('remove what dead sessions have left')
    .option('--homes', "also the agents' kept homes")
    .action((options: { homes?: boolean }) => done(clean(options, deps)));

  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw firstError(error);
    if (error.exitCode === 0) return 0;
    throw new UsageError(
      error.code === 'commander.help'
        ? 'no command given: bottle --help lists them'
        : error.message.replace(/^error: /, ''),
      { cause: error },
    );
  }
  return status;
}

function readSlug(text: string): string {
  const parsed = slugSchema.safeParse(text);
  if (!parsed.success)
    throw new InvalidArgumentError(`a session's name ${parsed.error.issues[0]?.message ?? 'is wrong'}.`);
  return parsed.data;
}

function readRole(text: string): LoggedRole {
  const role = LOGGED_ROLES.find((known) => known === text);
  if (!role) throw new InvalidArgumentError(`it is one of ${LOGGED_ROLES.join(', ')}.`);
  return role;
}
