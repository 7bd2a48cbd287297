# What the scripts share that look at the terminal client in a real terminal (tmux); sourced after lib.sh, never run. Owns: the terminal,
# what is typed into it, and what has to be seen.

TMUX_SOCKET=$CI_TMP/tmux.sock
TUI_SIZE=(100 30)

terminal() { tmux -S "$TMUX_SOCKET" -f /dev/null "$@"; }

# start_tui OPTION...: the terminal client in a terminal of its own, as a user would start it.
start_tui() {
    terminal new-session -d -s tui -x "${TUI_SIZE[0]}" -y "${TUI_SIZE[1]}" \
        "env COLORTERM=truecolor TERM=tmux-256color LANG=C.UTF-8 NO_COLOR= $FLOUNDR tui --home-dir $TUI_HOME $*; echo the client ended with \$?; sleep 600"
    terminal set-option -g default-terminal tmux-256color
    terminal set-option -gs set-clipboard on
}

# What is on the screen, as text.
seen() { terminal capture-pane -p -t tui; }

# types KEY...: as tmux names them: Enter, Escape, C-c, or letters.
types() {
    local key
    for key in "$@"; do
        terminal send-keys -t tui "$key"
        # What comes close behind an Escape is a key with Alt for every terminal program.
        if [ "$key" = Escape ]; then sleep 0.4; else sleep 0.05; fi
    done
}

# writes TEXT: letter by letter as it stands.
writes() { terminal send-keys -t tui -l -- "$1"; }

has() { [[ $(seen) == *"$1"* ]]; }

# sees TEXT [SECONDS]: TEXT comes up.
sees() {
    wait_until "${2:-15}" has "$1" || { printf '"%s" did not come up; what is there:\n%s\n' "$1" "$(seen)"; return 1; }
}

hasnt() { ! has "$1"; }

sees_no_more() {
    wait_until "${2:-15}" hasnt "$1" || { printf '"%s" stays; what is there:\n%s\n' "$1" "$(seen)"; return 1; }
}

# What the fields offer that have a choice.
offered() { seen | grep -F '< '; }

offers_other() { [ "$(offered)" != "$1" ]; }

# chooses TEXT: goes through what the field with the focus offers until TEXT is chosen. Each picture is waited for: a key that is typed at an
# old one would go past it.
chooses() {
    local before tries
    for ((tries = 0; tries < 10; tries++)); do
        before=$(offered)
        [[ $before != *"$1"* ]] || return 0
        types Space
        wait_until 10 offers_other "$before"
    done
    sees "$1" 1
}

# clears a line that has something in it.
clears() { types C-a C-k; }

end_tui() {
    terminal kill-server 2>/dev/null || return 0
}
