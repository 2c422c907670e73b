/** `statemesh simulate`: plays seeds in simulated worlds. */
import type { Command } from 'commander';
import { exitCodeHelp, exitCodes } from './exit-codes.js';
import { portOf } from './inspect.js';
import { faultsHelp } from './simulate-report.js';
import { defaults, rangeOf, requestOf, type SimulateOptions } from './simulate-request.js';

const help = `
A seed draws everything: the number of nodes, the writes, the faults with their times, and every latency. The same seed and
options give the same run, in any process. The first failure ends it: the smallest plan that still fails is searched for and
printed as a test, and the trace of the whole run goes to a file.

With --json, standard output has one line per seed, {"seed","passed","events","virtualSeconds","acknowledged","traceHash",
"breach"?}, then {"failure":{"seed","kind","checker","message","plan","shrunk","scenario","trace","command",...}} if one has
failed, and at last {"seeds","passed","failed","events","virtualSeconds","wallSeconds","isInterrupted"}.

Examples:
  statemesh simulate --seeds 200 --nodes 5
  statemesh simulate --seed 17 --trace seed-17.jsonl
  statemesh simulate --seed 17 --inspect
  statemesh simulate --seeds 1000 --from 5000 --faults network,clock --json`;

export function defineSimulate(command: Command): void {
  const { ok, failed, badInput, safety, latency, liveness, leak, crash, interrupted, terminated } = exitCodes;
  const codes = [ok, failed, badInput, safety, latency, liveness, leak, crash, interrupted, terminated];
  command
    .option('--seeds <number>', `how many seeds to play; default: ${defaults.seeds}`)
    .option('--from <seed>', `the first seed; default: ${defaults.from}`)
    .option('--seed <seed>', 'play only this seed')
    .option('--nodes <number>', `the number of nodes, or a range; default: ${rangeOf(defaults.nodes)}`)
    .option('--seconds <number>', `how long faults strike, in virtual time; default: ${defaults.seconds}`)
    .option('--faults <list>', `the kinds of faults: ${faultsHelp}; default: all`)
    .option('--jobs <number>', 'how many seeds to play at once; default: the number of cores')
    .option(
      '--trace <file>',
      'the file for the trace of --seed or of the failing seed; default: statemesh-seed-N.trace.jsonl',
    )
    .option(
      '--inspect [port]',
      'play one seed for a browser on this machine, where you can send commands; default: any port',
    )
    .option('--stately', "let the inspector's page relay to Stately's public inspector, if you ask it to")
    .option('--no-shrink', 'do not search for the smallest plan that fails')
    .option('--json', 'print JSON lines')
    .addHelpText('after', help)
    .addHelpText('after', exitCodeHelp(codes, { [terminated]: 'ended by SIGTERM' }))
    .action(async (options: SimulateOptions) => {
      const request = requestOf(options);
      if (options.inspect === undefined) {
        const { simulate } = await import('./simulate-swarm.js');
        process.exitCode = await simulate(request);
      } else {
        const { inspectSimulation } = await import('./simulate-inspect.js');
        const port = options.inspect === true ? 0 : portOf(options.inspect);
        process.exitCode = await inspectSimulation(request, port, options.stately === true);
        // What the world was about to do is irrelevant.
        process.exit();
      }
    });
}
