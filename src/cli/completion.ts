/**
 * `statemesh completion`: prints the script with which a shell asks `statemesh complete` for the possible words at the
 * cursor.
 */
import { Argument, type Command } from 'commander';
import { print } from './output.js';

const help = `
Completes commands, options and their values, fields of the configuration, and, from the running node, collections, keys and peers.

Examples:
  statemesh completion bash > /etc/bash_completion.d/statemesh
  statemesh completion zsh > ~/.zsh/completions/_statemesh       # in a directory of $fpath
  statemesh completion fish > ~/.config/fish/completions/statemesh.fish`;

export function defineCompletion(command: Command): void {
  command
    .addArgument(new Argument('<shell>', 'for which shell').choices(Object.keys(scriptOf)))
    .addHelpText('after', help)
    .action((shell: keyof typeof scriptOf) => print(scriptOf[shell]));
}

const scriptOf = {
  bash: `# Completion of statemesh for bash.
_statemesh() {
  local current="\${COMP_WORDS[COMP_CWORD]}" value summary
  local -a program=("\${COMP_WORDS[0]}")
  # An alias is typed, and is no program.
  [[ -z "\${BASH_ALIASES[$program]-}" ]] || eval "program=(\${BASH_ALIASES[$program]})"
  COMPREPLY=()
  while IFS=$'\\t' read -r value summary; do
    case "$value" in
      :files) compopt -o filenames 2> /dev/null; while read -r value; do COMPREPLY+=("$value"); done < <(compgen -f -- "$current") ;;
      :nospace) compopt -o nospace 2> /dev/null ;;
      *) COMPREPLY+=("$(printf %q "$value")") ;;
    esac
  done < <("\${program[@]}" complete bash -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2> /dev/null)
}
complete -F _statemesh statemesh`,

  zsh: `#compdef statemesh
# Completion of statemesh for zsh.
_statemesh() {
  local line value
  local -a found suffix
  for line in "\${(@f)$("\${words[1]}" complete zsh -- "\${(@Q)words[2,CURRENT]}" 2> /dev/null)}"; do
    case "$line" in
      '') ;;
      :files) _files ;;
      :nospace) suffix=(-S '') ;;
      *) value="\${line%%$'\\t'*}"; found+=("\${value//:/\\\\:}:\${line#*$'\\t'}") ;;
    esac
  done
  (( $#found )) && _describe 'value' found "\${suffix[@]}"
}
_statemesh "$@"`,

  fish: `# Completion of statemesh for fish.
function __statemesh_complete
  set -l words (commandline -opc) (commandline -ct)
  for line in ($words[1] complete fish -- $words[2..-1] 2> /dev/null)
    switch $line
      case :files
        __fish_complete_path (commandline -ct)
      case :nospace
      case '*'
        echo $line
    end
  end
end
complete -c statemesh -f -a '(__statemesh_complete)'`,
};
