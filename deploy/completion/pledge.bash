# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Completion of `pledge` for bash. Commands, options and their values are what `pledge help` of the
# installed version says; tier codes, pledges and contributors are asked from the daemon, briefly
# and silently: without an answer there is just nothing to complete.

# The program itself, speaking to the daemon that the line names so far.
_pledge_ask() {
    "${program[@]}" "${global[@]}" --lang en "$@" 2>/dev/null </dev/null
}

# "hold TIER", "contributor amend ID", ...: the commands and what they take, one a line
_pledge_usages() {
    _pledge_ask help | sed -n '/^Options/q; s/^  \([a-z].*\)$/\1/p' | sed 's/   *.*//'
}

_pledge_names() {
    # shellcheck disable=SC2001 # a pattern that the shell does not have
    sed 's/ *[[A-Z].*//' <<<"$usages"
}

# "--by tier|category", "--free", "-o FILE", ...: options of all commands and of this one, one a line
_pledge_options() {
    { _pledge_ask help && [ ${#command[@]} -gt 0 ] && _pledge_ask help "${command[@]}"; } |
        sed -n 's/^  \(-[a-z],\|   \) \(--[a-z].*\)$/\1 \2/p' |
        sed 's/^ *//; s/   *.*//; s/^\(-[a-z]\), --\([^ ]*\)\(.*\)$/\1\3\n--\2\3/'
}

# What a word may be, from the word that stands for it in the help: TIER, [TIER|PLEDGE], yes|no
_pledge_values() {
    local kind
    tr -d '[]' <<<"$1" | tr '|' '\n' | while read -r kind; do
        case $kind in
        TIER) _pledge_ask --format plain --timeout 2s tiers | cut -f1 ;;
        PLEDGE) _pledge_ask --format plain --timeout 2s list | cut -f1 ;;
        CONTRIBUTOR) _pledge_ask --format plain --timeout 2s contributors | cut -f1 ;;
        COMMAND) _pledge_names | cut -d' ' -f1 ;;
        [a-z]*) printf '%s\n' "$kind" ;;
        esac
    done
}

# What stands for the value of option $1 in the help; nothing if it takes none.
_pledge_meta() {
    case $1 in
    --contributor) echo CONTRIBUTOR ;;
    --pledge) echo PLEDGE ;;
    --as) echo 'bin|jsonl|csv|hledger|beancount|iati' ;;
    --kind) echo 'government|private-sector|civil-society|academia|international-organisation' ;;
    --stage) echo 'waiting|held|pledged|committed|closed|expired|withdrawn|cancelled' ;;
    *) sed -n "s/^$1 //p" <<<"$options" | head -n 1 ;;
    esac
}

# The line in words, as the program will see them: bash cuts at '=' and ':'.
_pledge_join() {
    local i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        if ((i > 1)) && [[ ${COMP_WORDS[i]} == [=:] || ${COMP_WORDS[i - 1]} == [=:] ]]; then
            words[${#words[@]} - 1]+=${COMP_WORDS[i]}
        else
            words+=("${COMP_WORDS[i]}")
        fi
    done
}

# The options that say which daemon, for _pledge_ask.
_pledge_find_global() {
    local i value
    for ((i = 1; i < at; i++)); do
        case ${words[i]} in
        --config=* | --profile=* | --server=* | --ca=* | --cert=* | --key=*) global+=("${words[i]}") ;;
        --config | --profile | --server | --ca | --cert | --key)
            value=${words[i + 1]//[\'\"\\]/}
            ((i + 1 >= at)) || global+=("${words[i]}" "${value/#\~\//$HOME/}")
            ;;
        esac
    done
}

# The first word that begins a command, and a second one if the two are one: contributor add.
_pledge_find_command() {
    local i
    for ((i = 1; i < at; i++)); do
        if grep -q "^${words[i]//[^a-z-]/.}\( \|$\)" <<<"$usages"; then
            command=("${words[i]}")
            if ((i + 1 < at)) && grep -q "^${words[i]} ${words[i + 1]//[^a-z-]/.}\( \|$\)" <<<"$usages"; then
                command+=("${words[i + 1]}")
            fi
            return
        fi
    done
}

# How many words of the line are neither the command nor options nor their values.
_pledge_count_arguments() {
    local i
    count=$((-${#command[@]}))
    for ((i = 1; i < at; i++)); do
        case ${words[i]} in
        --*=*) ;;
        -?*) [ -z "$(_pledge_meta "${words[i]}")" ] || i=$((i + 1)) ;;
        *) count=$((count + 1)) ;;
        esac
    done
}

# What may stand next: the rest of a command's name, else the next word of its usage.
_pledge_next() {
    local name="${command[*]}"
    local -a takes
    if ((${#command[@]} == 0)); then
        echo COMMAND
    elif [ "$name" = help ] && ((count > 0)); then
        _pledge_names | sed -n "s/^${words[at - 1]//[^a-z-]/.} //p" | paste -sd'|'
    elif ((count == 0)) && _pledge_names | grep -q "^$name [a-z]"; then
        _pledge_names | sed -n "s/^$name //p" | paste -sd'|'
    else
        read -ra takes < <(sed -n "s/^$name \([[A-Z].*\)$/\1/p" <<<"$usages")
        printf '%s\n' "${takes[count]-}"
    fi
}

_pledge() {
    local -a words=() command=() global=() program=("${1/#\~\//$HOME/}")
    local at count=0 usages options meta='' current
    _pledge_join
    at=$((${#words[@]} - 1))
    current=${words[at]}
    _pledge_find_global
    usages=$(_pledge_usages)
    _pledge_find_command
    options=$(_pledge_options)
    COMPREPLY=()

    case $current in
    --*=*)
        meta=$(_pledge_meta "${current%%=*}")
        current=${current#*=}
        ;;
    *) [[ ${words[at - 1]} != -?* || ${words[at - 1]} == *=* ]] || meta=$(_pledge_meta "${words[at - 1]}") ;;
    esac
    if [[ -z $meta && $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(cut -d' ' -f1 <<<"$options")" -- "$current")
        return
    fi
    if [ -z "$meta" ]; then
        _pledge_count_arguments
        meta=$(_pledge_next)
    fi
    case $meta in
    *FILE* | *DIR*)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    ?*) mapfile -t COMPREPLY < <(compgen -W "$(_pledge_values "$meta")" -- "$current") ;;
    esac
}

complete -F _pledge pledge
