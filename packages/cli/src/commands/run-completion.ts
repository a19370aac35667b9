// `raceway completion`: what it does. The scripts ask the command line itself what may come next.
import { basename } from "node:path";
import { type CommandContext, Exit, UsageError } from "../context.ts";
import { type CompletionArguments, type Shell, shells } from "./completion.ts";

export function runCompletion(args: CompletionArguments, context: CommandContext): Promise<number> {
  const shell = args.shell ?? shellOf(context.env["SHELL"]);
  const script = scripts[shell];
  context.out(args.json ? `${JSON.stringify({ shell, script })}\n` : script);
  return Promise.resolve(Exit.fine);
}

function shellOf(path = ""): Shell {
  const shell = shells.find((one) => one === basename(path));
  if (shell === undefined) throw new UsageError(`Name the shell: ${shells.join(", ")}.`);
  return shell;
}

// SHELL tells how answers are to look: for bash bare words, for zsh "word:meaning", for fish "word<tab>meaning".
const scripts: { readonly [S in Shell]: string } = {
  bash: `# Completion of raceway in bash: raceway completion bash >> ~/.bashrc
_raceway() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(SHELL=bash raceway --get-yargs-completions "\${COMP_WORDS[@]:0:COMP_CWORD+1}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o bashdefault -o default -F _raceway raceway
`,
  zsh: `#compdef raceway
# Completion of raceway in zsh: raceway completion zsh >> ~/.zshrc, below compinit
_raceway() {
  local -a found
  found=("\${(@f)$(SHELL=zsh raceway --get-yargs-completions "\${(@)words[1,CURRENT]}" 2>/dev/null)}")
  if [[ -n "\${found[1]}" ]]; then _describe raceway found; else _files; fi
}
if [[ "\${zsh_eval_context[-1]}" == loadautofunc ]]; then _raceway "$@"; else compdef _raceway raceway; fi
`,
  fish: `# Completion of raceway in fish: raceway completion fish > ~/.config/fish/completions/raceway.fish
function __raceway_complete
  set -l words (commandline -opc) (commandline -ct)
  env SHELL=fish raceway --get-yargs-completions $words 2>/dev/null
end
complete -c raceway -a '(__raceway_complete)'
`,
};
