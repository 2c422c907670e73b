#!/usr/bin/env node
/**
 * The command line. It is thin: it finds the command, loads only that one (a node takes longer to load than most
 * commands to run), and turns every failure into a message and an exit code.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { assertExactArguments, quotingAdvice } from './exact-input.js';
import { exitCodeHelp, exitCodes } from './exit-codes.js';
import { badInput, reportFailure } from './failures.js';
import { narrowHelp } from './narrow-help.js';

interface CommandEntry {
  /** Not shown in the help. */
  readonly hidden?: true;
  readonly summary: string;
  /** Loads the function that adds arguments, options and the action to the command. */
  load(): Promise<(command: Command) => void>;
}

const commands: Readonly<Record<string, CommandEntry>> = {
  init: {
    summary: 'write a configuration with a new cluster key',
    load: async () => (await import('./init.js')).defineInit,
  },
  start: {
    summary: 'run a node in the foreground',
    load: async () => (await import('./start.js')).defineStart,
  },
  status: {
    summary: 'show the state of the node',
    load: async () => (await import('./status.js')).defineStatus,
  },
  peers: {
    summary: 'show the state of each peer',
    load: async () => (await import('./status.js')).definePeers,
  },
  put: {
    summary: 'write a document',
    load: async () => (await import('./documents.js')).definePut,
  },
  get: {
    summary: 'print a document',
    load: async () => (await import('./documents.js')).defineGet,
  },
  delete: {
    summary: 'delete a document',
    load: async () => (await import('./documents.js')).defineDelete,
  },
  find: {
    summary: 'print the documents that match a query',
    load: async () => (await import('./find.js')).defineFind,
  },
  collections: {
    summary: 'list the collections with their numbers of documents',
    load: async () => (await import('./collections.js')).defineCollections,
  },
  import: {
    summary: 'write documents from JSON Lines or CSV',
    load: async () => (await import('./import.js')).defineImport,
  },
  watch: {
    summary: 'show entries as they arrive',
    load: async () => (await import('./watch.js')).defineWatch,
  },
  export: {
    summary: 'write documents as JSON Lines or CSV, or their whole history',
    load: async () => (await import('./export.js')).defineExport,
  },
  backup: {
    summary: 'copy the database while the node serves',
    load: async () => (await import('./backup.js')).defineBackup,
  },
  restore: {
    summary: 'restore a copy of the database, or let the peers fill a new one',
    load: async () => (await import('./backup.js')).defineRestore,
  },
  'add-cloud-peer': {
    summary: 'make a cloud node known to the whole cluster; the leader connects to it',
    load: async () => (await import('./add-cloud-peer.js')).defineAddCloudPeer,
  },
  'add-static-peer': {
    summary: 'make a peer with a fixed address known to the whole cluster',
    load: async () => (await import('./add-static-peer.js')).defineAddStaticPeer,
  },
  'remote-peers': {
    summary: 'show the stored peers: cloud nodes and static peers',
    load: async () => (await import('./remote-peers.js')).defineRemotePeers,
  },
  'enable-peer': {
    summary: 'let the cluster connect to a stored peer again',
    load: async () => (await import('./remote-peers.js')).defineEnablePeer,
  },
  'disable-peer': {
    summary: 'keep a stored peer, but do not connect to it',
    load: async () => (await import('./remote-peers.js')).defineDisablePeer,
  },
  'remove-peer': {
    summary: 'forget a stored peer on every node',
    load: async () => (await import('./remote-peers.js')).defineRemovePeer,
  },
  reconfigure: {
    summary: 'change fields of the running node, until its configuration says otherwise',
    load: async () => (await import('./reconfigure.js')).defineReconfigure,
  },
  logs: {
    summary: 'show what the running node logs, or let it log more or less',
    load: async () => (await import('./logs.js')).defineLogs,
  },
  config: {
    summary: 'show, check and change the configuration; its schema for editors',
    load: async () => (await import('./config.js')).defineConfig,
  },
  stop: {
    summary: 'stop the node gracefully',
    load: async () => (await import('./stop.js')).defineStop,
  },
  doctor: {
    summary: 'check the node and its installation, and say what to do',
    load: async () => (await import('./doctor.js')).defineDoctor,
  },
  errors: {
    summary: 'list the error codes with their meanings',
    load: async () => (await import('./errors.js')).defineErrors,
  },
  completion: {
    summary: 'print what a shell needs to complete commands and options',
    load: async () => (await import('./completion.js')).defineCompletion,
  },
  complete: {
    hidden: true,
    summary: 'print the possible words at the cursor, for the completion scripts',
    load: async () => (await import('./complete.js')).defineComplete,
  },
  inspect: {
    summary: 'show a recorded trace in the browser',
    load: async () => (await import('./inspect.js')).defineInspect,
  },
  simulate: {
    summary: 'play random faults from seeds in a simulated world, and shrink failures',
    load: async () => (await import('./simulate.js')).defineSimulate,
  },
};

const precedence = `
Commands find a node by its data directory: --data-dir, else STATEMESH_DATA_DIR, else dataDir in the configuration file,
else ./data. The configuration file is --config, else STATEMESH_CONFIG, else ./statemesh.json if there is one.
An option overrides the environment, the environment overrides the file, and the file overrides the defaults.

Examples:
  statemesh init && statemesh start
  statemesh put articles espresso '{"name":"Espresso","price":1.2}'
  statemesh find articles --where '{"price":{"$lt":2}}'`;

/** Shown when an argument is missing. */
const examples: ReadonlyMap<string | undefined, string> = new Map([
  ['put', 'put articles espresso \'{"name":"Espresso","price":1.2}\''],
  ['get', 'get articles espresso'],
  ['delete', 'delete articles espresso'],
  ['find', 'find articles'],
]);

/** Options of nearly every command, which may also stand before the command: `statemesh --json status`. */
const commonOptions = { '--json': false, '--config': true, '--data-dir': true };

process.exitCode = await run(commandFirst(process.argv.slice(2)));

async function run(argv: readonly string[]): Promise<number> {
  const json = argv.includes('--json');
  let usage = '';
  // The reader of the output may leave (`| head`): that is not a failure.
  process.stdout.on('error', (error) => leaveUnwritten(error, json));
  // When standard error is broken, nothing can be reported.
  process.stderr.on('error', () => {});
  try {
    assertExactArguments(argv);
    const program = await createProgram(argv);
    usage = usageOf(program, argv);
    await program.parseAsync(argv, { from: 'user' });
    return Number(process.exitCode ?? exitCodes.ok);
  } catch (error) {
    if (error instanceof CommanderError) return reportUsage(error, { argv, json, usage });
    return reportFailure(error, { json });
  }
}

/** Moves the common options to the end of the arguments. */
function commandFirst(argv: readonly string[]): string[] {
  const moved: string[] = [];
  let start = 0;
  for (; argv[start]?.startsWith('--'); start += 1) {
    const [name = ''] = argv[start]?.split('=', 1) ?? [];
    const takesValue = Object.entries(commonOptions).find(([each]) => each === name)?.[1];
    if (takesValue === undefined) return [...argv];
    moved.push(argv[start] ?? '');
    if (!takesValue || argv[start] !== name) continue;
    start += 1;
    if (argv[start] !== undefined) moved.push(argv[start] ?? '');
  }
  const rest = argv.slice(start);
  const end = rest.indexOf('--');
  return end === -1 ? [...rest, ...moved] : [...rest.slice(0, end), ...moved, ...rest.slice(end)];
}

async function createProgram(argv: readonly string[]): Promise<Command> {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const program = new Command('statemesh')
    .description('A local-first document database that syncs over the local network.')
    .version(version, '-V, --version')
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .configureHelp(narrowHelp)
    .addHelpText('after', precedence)
    .addHelpText('after', exitCodeHelp())
    .hook('preAction', (_, command) => assertPathsNamed(command));
  for (const [name, { summary, load, hidden = false }] of Object.entries(commands)) {
    const command = program.command(name, { hidden }).description(summary).copyInheritedSettings(program);
    if (argv.includes(name)) (await load())(command);
  }
  return program;
}

/** How the command is used, and an example. */
function usageOf(program: Command, [name]: readonly string[]): string {
  const command = program.commands.find((each) => each.name() === name);
  if (command === undefined || command.registeredArguments.length === 0) return '';
  const operands = command.registeredArguments.map((each) => (each.required ? `<${each.name()}>` : `[${each.name()}]`));
  const example = examples.get(name);
  const words = ['statemesh', name, ...operands].join(' ');
  return ` Usage: ${words}${example === undefined ? '' : `, for example \`statemesh ${example}\``}.`;
}

interface Usage {
  readonly argv: readonly string[];
  readonly json: boolean;
  readonly usage: string;
}

function reportUsage(error: CommanderError, { argv, json, usage }: Usage): number {
  if (error.exitCode === 0) return exitCodes.ok;
  // The help was shown, because there was no command.
  if (error.code === 'commander.help') return exitCodes.badInput;
  // The message quotes an unknown option with its value, which may be a secret.
  const message = error.message
    .replace(/^error: /, '')
    .replace(/^command-argument value '(.*)' is invalid for argument '(.*)'\./, 'There is no $2 "$1".')
    .replace(/(--[a-z-]+)=[^']*/gi, '$1');
  // A shell splits JSON without quotes into many arguments.
  const isTakenApart = error.code === 'commander.excessArguments' && argv.some((argument) => /[{:]/.test(argument));
  const isSecret = argv.some((argument) => /^--(cluster-key|client-secret)/.test(argument));
  if (error.code === 'commander.missingArgument') {
    const missing = missingText(error.message, argv);
    return reportFailure(badInput(`${missing}${usage}`), { json });
  }
  const advice = isSecret
    ? ' Secrets do not belong on a command line, which others can read: use STATEMESH_CLUSTER_KEY or the configuration file; for a client secret, --client-secret-env or --client-secret-stdin.'
    : isTakenApart
      ? ` ${quotingAdvice}`
      : '';
  const text = `${message.replace(/\n/g, ' ').replace(/([^.?)])$/, '$1.')}${advice}`;
  return reportFailure(badInput(text), { json, isUsage: true });
}

/** Commander names the last operand, but a document without a key lacks the key. */
function missingText(message: string, [name, , second]: readonly string[]): string {
  const operand = /'(.*)'/.exec(message)?.[1] ?? 'argument';
  const isKey = name === 'put' && operand === 'json' && /^\s*[{["]/.test(second ?? '');
  return `The ${isKey ? 'key' : operand} is missing.`;
}

function leaveUnwritten({ code }: NodeJS.ErrnoException, json: boolean): void {
  if (code === 'EPIPE') process.exit(exitCodes.ok);
  process.exit(reportFailure(badInput(`Standard output cannot be written (${code ?? 'unknown reason'}).`), { json }));
}

/** An empty path comes from an unset variable: it would mean the working directory. */
function assertPathsNamed(command: Command): void {
  const options = command.options.flatMap((option) => {
    const value: unknown = command.getOptionValue(option.attributeName());
    return value === '' && /<(file|path)>/.test(option.flags) ? [`${option.long}`] : [];
  });
  const operands = command.registeredArguments.flatMap((argument, index) =>
    command.args[index] === '' && ['file', 'trace'].includes(argument.name()) ? [`<${argument.name()}>`] : [],
  );
  const [empty] = [...options, ...operands];
  if (empty !== undefined) throw badInput(`${empty} is empty: it takes a path.`);
}
