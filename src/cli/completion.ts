// `nightferry completion SHELL`: the script that makes a shell ask `nightferry complete` for what could come next. The
// scripts know nothing of verbs and options; they hand over the words and show what comes back: a line that says whether
// paths may stand there too, then one candidate a line, a tab and what it is. They run the very program that was typed.

export type Shell = 'bash' | 'zsh' | 'fish' | 'powershell'

const bash = String.raw`# Nightferry's completion for bash: source it, or keep it in ~/.local/share/bash-completion/completions/nightferry
_nightferry() {
  local program=${'$'}{COMP_WORDS[0]/#\~/$HOME} words=() piece before='' line hint='-' IFS=$'\n'
  # Bash may cut words at : and =; here they are whole again.
  for piece in "${'$'}{COMP_WORDS[@]:1:COMP_CWORD}"; do
    if [[ ${'$'}{#words[@]} -gt 0 && ( $piece == [:=]* || $before == [:=] ) ]]; then
      words[-1]+=$piece
    else
      words+=("$piece")
    fi
    before=$piece
  done
  local typed=${'$'}{words[-1]} cut=''
  [[ $COMP_WORDBREAKS == *=* && $typed == *=* ]] && cut=${'$'}{typed%"${'$'}{typed##*=}"}
  [[ $COMP_WORDBREAKS == *:* && $typed == *:* ]] && cut=${'$'}{typed%"${'$'}{typed##*:}"}
  COMPREPLY=()
  local first=1
  while read -r line; do
    if ((first)); then hint=$line first=0; continue; fi
    line=${'$'}{line%%$'\t'*}
    COMPREPLY+=("${'$'}{line#"$cut"}")
  done < <("$program" complete -- "${'$'}{words[@]}" 2>/dev/null)
  if ((${'$'}{#COMPREPLY[@]} == 0)); then
    local path=${'$'}{typed#"$cut"}
    compopt -o filenames
    case $hint in
      folder) mapfile -t COMPREPLY < <(compgen -d -- "$path") ;;
      file) mapfile -t COMPREPLY < <(compgen -f -- "$path") ;;
    esac
  else
    local path kind='' end
    case $hint in
      folder) kind=-d ;;
      file) kind=-f ;;
    esac
    [[ -n $kind ]] && while read -r path; do
      [[ -d $path ]] && end=/ || end=''
      COMPREPLY+=("$(printf %q "$path")$end")
    done < <(compgen $kind -- "$typed")
    if ((${'$'}{#COMPREPLY[@]} == 1)) && [[ ${'$'}{COMPREPLY[0]} == *[:=/] ]]; then compopt -o nospace; fi
  fi
}
complete -F _nightferry nightferry
`

const zsh = String.raw`#compdef nightferry
# Nightferry's completion for zsh: a file _nightferry in a folder of $fpath, or source it after compinit.
_nightferry() {
  local program=${'$'}{(Q)words[1]} line hint value about
  program=${'$'}{program/#\~/$HOME}
  local -a lines plain plainShown open openShown
  lines=("${'$'}{(@f)$("$program" complete -- "${'$'}{(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  hint=${'$'}{lines[1]}
  for line in "${'$'}{(@)lines[2,-1]}"; do
    value=${'$'}{line%%$'\t'*} about=${'$'}{line#*$'\t'}
    [[ -n $about ]] && about="$value  -- $about" || about=$value
    if [[ $value == *[:=/] ]]; then open+=("$value") openShown+=("$about"); else plain+=("$value") plainShown+=("$about"); fi
  done
  (( ${'$'}{#plain} )) && compadd -l -d plainShown -a plain
  (( ${'$'}{#open} )) && compadd -S '' -l -d openShown -a open
  [[ $words[CURRENT] == --*=* ]] && compset -P '*='
  case $hint in
    folder) _files -/ ;;
    file) _files ;;
  esac
}
(( $+functions[compdef] )) && compdef _nightferry nightferry
[[ $funcstack[1] == _nightferry ]] && _nightferry "$@"
`

const fish = `# Nightferry's completion for fish: keep it as ~/.config/fish/completions/nightferry.fish
function __nightferry_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l program (string replace -r '^~' $HOME -- $words[1])
    set -l lines ($program complete -- $words[2..-1] $typed 2>/dev/null)
    for line in $lines[2..-1]
        echo $line
    end
    set -l path (string replace -r '^--[a-z-]+=' '' -- $typed)
    switch "$lines[1]"
        case folder
            __fish_complete_directories $path ''
        case file
            __fish_complete_path $path
    end
end
complete -c nightferry -f -a '(__nightferry_complete)'
`

const powershell = `# Nightferry's completion for PowerShell: add it to $PROFILE.
Register-ArgumentCompleter -Native -CommandName nightferry -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $words = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -le $cursorPosition } | ForEach-Object { "$_" })
  $program = $words[0]
  $words = @($words | Select-Object -Skip 1)
  if ($wordToComplete -eq '') { $words += '""' }
  $lines = @(& $program complete '--' @words 2>$null)
  $lines | Select-Object -Skip 1 | ForEach-Object {
    $value, $about = $_ -split [char]9, 2
    if (-not $about) { $about = $value }
    [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $about)
  }
  if ($lines[0] -in 'folder', 'file') {
    [System.Management.Automation.CompletionCompleters]::CompleteFilename($wordToComplete)
  }
}
`

const scripts: Readonly<Record<Shell, string>> = { bash, zsh, fish, powershell }

/** Prints the script. */
export function completion(shell: Shell): number {
  process.stdout.write(scripts[shell])
  return 0
}
