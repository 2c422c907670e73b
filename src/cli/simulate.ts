/** `statemesh simulate`: plays seeds in simulated worlds. */
import type { Command } from 'commander';
import { exitCodeHelp, exitCodes } from './exit-codes.js';
import { portOf } from './inspect.js';
import { faultsHelp } from './simulate-report.js';
import { defaults, rangeOf, requestOf, type SimulateOptions } from './simulate-request.js';

const help = `
A seed draws everything: how many nodes, who writes what when, which faults strike when, and every latency. The same seed and
options give the same run, in any process. The first failure ends it: the least plan that still fails is searched for and
printed as a test, and the trace of the whole run goes to a file.

With --json, standard output has one line a seed, {"seed","passed","events","virtualSeconds","acknowledged","traceHash",
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
    .option('--from <seed>', `the first of them; default: ${defaults.from}`)
    .option('--seed <seed>', 'play this one only')
    .option('--nodes <number>', `how many nodes, or from how many to how many; default: ${rangeOf(defaults.nodes)}`)
    .option('--seconds <number>', `how long faults strike, in virtual time; default: ${defaults.seconds}`)
    .option('--faults <list>', `where faults come from: ${faultsHelp}; default: all`)
    .option('--jobs <number>', 'how many seeds to play at once; default: as many as there are cores')
    .option('--trace <file>', 'where the trace goes, of --seed or of what fails; default: statemesh-seed-N.trace.jsonl')
    .option(
      '--inspect [port]',
      'play one seed for a browser of this machine, where you can take part; default: any port',
    )
    .option('--stately', "let the inspector's page relay to Stately's public inspector, if you ask it to")
    .option('--no-shrink', 'do not search for the least plan that fails')
    .option('--json', 'print JSON lines')
    .addHelpText('after', help)
    .addHelpText('after', exitCodeHelp(codes))
    .action(async (options: SimulateOptions) => {
      const request = requestOf(options);
      if (options.inspect === undefined) {
        const { simulate } = await import('./simulate-swarm.js');
        process.exitCode = await simulate(request);
      } else {
        const { inspectSimulation } = await import('./simulate-inspect.js');
        const port = options.inspect === true ? 0 : portOf(options.inspect);
        process.exitCode = await inspectSimulation(request, port, options.stately === true);
        // What the world was about to do is of no interest.
        process.exit();
      }
    });
}
