/** The end of a command whose terminal was closed. */

/**
 * Lets the process end by SIGHUP, the signal of a closed terminal, as soon as everything else is done. Its ordinary end
 * would restore the settings of the terminal; since that is gone, Node.js would abort and write a core dump.
 */
export function endByHangUp(): void {
  process.on('exit', () => {
    process.removeAllListeners('SIGHUP');
    process.kill(process.pid, 'SIGHUP');
  });
}

export function hasTerminal(): boolean {
  return process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
}
