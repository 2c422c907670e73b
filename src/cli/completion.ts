/** `statemesh completion`: what a shell needs to complete commands and options, made from the commands themselves. */
import { type Command, Option } from 'commander';
import { badInput } from './failures.js';
import { print } from './output.js';

const shells = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof shells)[number];

const help = `
Examples:
  statemesh completion bash > /etc/bash_completion.d/statemesh
  statemesh completion zsh > ~/.zsh/completions/_statemesh       # in a directory of $fpath
  statemesh completion fish > ~/.config/fish/completions/statemesh.fish`;

export function defineCompletion(command: Command): void {
  command
    .argument('<shell>', shells.join(', '))
    .addHelpText('after', help)
    .action((shell: string) => {
      const script = new Map(Object.entries(scriptOf)).get(shell);
      if (script === undefined) throw badInput(`There is no "${shell}" here: use ${shells.join(', ')}.`);
      const { parent } = command;
      const known = (parent?.commands ?? []).map(described);
      print(script(known));
    });
}

interface Known {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly { readonly flag: string; readonly summary: string; readonly takesFile: boolean }[];
  readonly subcommands: readonly string[];
}

function described(command: Command): Known {
  return {
    name: command.name(),
    summary: firstSentence(command.description()),
    options: [...command.options, new Option('--help', 'show what it does')].flatMap((option) =>
      option.hidden || option.long == null
        ? []
        : [
            {
              flag: option.long,
              summary: firstSentence(option.description),
              takesFile: /<(file|path)>/.test(option.flags),
            },
          ],
    ),
    subcommands: command.commands.map((each) => each.name()),
  };
}

/** In one line, without what a shell takes for its own. */
function firstSentence(text: string): string {
  return (text.split(/[.;:[\n]/)[0] ?? '').replace(/['"`$\\]/g, '').trim();
}

const scriptOf: Readonly<Record<Shell, (known: readonly Known[]) => string>> = {
  bash: (known) => `# Completion of statemesh for bash.
_statemesh() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="${known.map(({ name }) => name).join(' ')} --help --version"
  else
    case "\${COMP_WORDS[1]}" in
${known.map(({ name, ...rest }) => `      ${name}) words="${wordsOf(rest)}" ;;`).join('\n')}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [ \${#COMPREPLY[@]} -eq 0 ]; then COMPREPLY=($(compgen -f -- "$current")); fi
}
complete -F _statemesh statemesh`,

  zsh: (known) => `#compdef statemesh
# Completion of statemesh for zsh.
_statemesh() {
  local -a commands
  commands=(
${known.map(({ name, summary }) => `    '${name}:${summary}'`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe 'command' commands
    return
  fi
  case "\${words[2]}" in
${known.map(({ name, ...rest }) => `    ${name}) compadd -- ${wordsOf(rest)} ;;`).join('\n')}
  esac
  _files
}
_statemesh "$@"`,

  fish: (known) =>
    [
      '# Completion of statemesh for fish.',
      ...known.flatMap(({ name, summary, options, subcommands }) => [
        `complete -c statemesh -n __fish_use_subcommand -f -a ${name} -d '${summary}'`,
        ...subcommands.map((each) => `complete -c statemesh -n '__fish_seen_subcommand_from ${name}' -f -a ${each}`),
        ...options.map(
          ({ flag, summary: what, takesFile }) =>
            `complete -c statemesh -n '__fish_seen_subcommand_from ${name}' -l ${flag.slice(2)}${takesFile ? ' -r' : ''} -d '${what}'`,
        ),
      ]),
    ].join('\n'),
};

function wordsOf({ options, subcommands }: Pick<Known, 'options' | 'subcommands'>): string {
  return [...subcommands, ...options.map(({ flag }) => flag)].join(' ');
}
