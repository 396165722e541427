# holter.bash -- bash completes verbs, options, choices and files for holter.
#
# Verbs and options are asked of the tool itself (`holter help`), so they are those of the version that is there.

_holter_verbs() { "$1" help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p' | grep -vx holter; }
_holter_options() { "$1" help "$2" 2>/dev/null | grep -oE -- '--[a-z][a-z-]*' | sort -u; }

# what follows the option $3: the words of "--option one|two" in the help
_holter_choices() {
    "$1" help "$2" 2>/dev/null | grep -oE -- "$3 [a-z0-9_-]+([|][a-z0-9_-]+)+" | head -1 | sed 's/^[^ ]* //' | tr '|' '\n'
}

_holter() {
    local tool=${1/#\~/$HOME} word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words=
    local verb=${COMP_WORDS[1]}
    COMPREPLY=()
    if [ "$word" = = ]; then
        word=
    elif [ "$before" = = ]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="$(_holter_verbs "$tool") help --version"
    elif [ "$verb" = help ]; then
        words=$(_holter_verbs "$tool")
    elif [[ $word == -* ]]; then
        words="$(_holter_options "$tool" "$verb") --help"
    elif [[ $before == --* ]]; then
        words=$(_holter_choices "$tool" "$verb" "$before")
    fi
    [ -n "$words" ] && mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

# where none of these fits: files
complete -o default -o bashdefault -F _holter holter
